// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/file_lock.h"
#include "base/process.h"
#include "base/temporary_directory.h"

using namespace imgbuild;

namespace {

ImagePath path(std::string_view text) { return ImagePath::clean(text); }

void link(const Directory& at, const char* target, const char* name) {
    REQUIRE(::symlinkat(target, at.fd(), name) == 0);
}

}  // namespace

TEST_CASE("a path is resolved inside the held directory, with openat2 and without") {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    Directory root = scratch.directory().make_directory(path("root"));
    root.make_directory(path("etc"));
    write_file_atomically(root.open_directory(path("etc"), FollowLinks::never), "name", "inside", Durability::none);
    write_file_atomically(scratch.directory(), "secret", "outside", Durability::none);
    link(root, "/etc/name", "absolute");
    link(root, "../../../../etc/name", "climbing");
    link(root, "../secret", "escape");
    link(root, "loop", "loop");
    link(root, "nothing", "dangling");
    for (bool without_openat2 : {false, true}) {
        CAPTURE(without_openat2);
        set_openat2_disabled(without_openat2);
        CHECK(root.read_file(path("absolute"), 100) == "inside");
        CHECK(root.read_file(path("climbing"), 100) == "inside");
        CHECK_THROWS_AS(root.read_file(path("escape"), 100), Error);
        CHECK_THROWS_AS(root.open(path("loop"), O_RDONLY, FollowLinks::inside), Error);
        CHECK_THROWS_AS(root.open(path("absolute"), O_RDONLY, FollowLinks::never), Error);
        CHECK_FALSE(root.try_open(path("dangling"), O_RDONLY, FollowLinks::inside));
        CHECK_FALSE(root.try_open(path("etc/name/below"), O_RDONLY, FollowLinks::inside));
        CHECK(S_ISLNK(root.status(path("absolute"))->st_mode));
    }
    set_openat2_disabled(false);
}

TEST_CASE("reading never waits for a planted fifo") {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    REQUIRE(::mkfifoat(scratch.directory().fd(), "pipe", 0600) == 0);
    CHECK_THROWS_WITH_AS(scratch.directory().read_file(path("pipe"), 10),
                         ("read: " + scratch.path() + "/pipe: not a regular file").c_str(), Error);
}

TEST_CASE("a tree goes away although it is deep, closed and full of links") {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    Fd here =
        scratch.directory().make_directory(path("tree")).open(ImagePath(), O_RDONLY | O_DIRECTORY, FollowLinks::never);
    for (int depth = 0; depth < 2000; ++depth) {
        REQUIRE(::mkdirat(here.get(), "d", 0700) == 0);
        here.reset(::openat(here.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    REQUIRE(::symlinkat("/", here.get(), "root") == 0);
    Directory closed = scratch.directory().make_directory(path("tree/closed/inner"));
    REQUIRE(::chmod((scratch.path() + "/tree/closed").c_str(), 0) == 0);
    scratch.directory().remove_tree("tree");
    CHECK_FALSE(scratch.directory().status(path("tree")));
    scratch.directory().remove_tree("tree");
}

TEST_CASE("an atomic file is nothing before its commit and whole after it") {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    {
        AtomicFile file(scratch.directory(), "f", Durability::full);
        file.write("half");
        CHECK_FALSE(scratch.directory().status(path("f")));
    }
    CHECK(scratch.directory().list() == std::vector<std::string>{"lock"});
    write_file_atomically(scratch.directory(), "f", "one", Durability::full);
    write_file_atomically(scratch.directory(), "f", "two", Durability::none);
    CHECK(scratch.directory().read_file(path("f"), 10) == "two");
}

TEST_CASE("a lock is exclusive until it is let go") {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    FileLock first = FileLock::acquire(scratch.directory(), "l", LockMode::shared);
    CHECK(FileLock::try_acquire(scratch.directory(), "l", LockMode::shared));
    CHECK_FALSE(FileLock::try_acquire(scratch.directory(), "l", LockMode::exclusive));
    first.release();
    CHECK(FileLock::try_acquire(scratch.directory(), "l", LockMode::exclusive));
}

TEST_CASE("a sweep takes what nobody holds and spares the rest") {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    Directory parent = scratch.directory().make_directory(path("pending"));
    TemporaryDirectory used = TemporaryDirectory::create_in(parent);
    parent.make_directory(path("left-behind/below"));
    TemporaryDirectory::sweep(parent);
    CHECK(parent.list() == std::vector<std::string>{used.name()});
}

TEST_CASE("a program's output, status and signal are told apart") {
    auto run = [](const char* script) { return run_and_capture({.arguments = {"sh", "-c", script}}); };
    CapturedOutput both = run("echo out; echo err >&2; exit 3");
    CHECK(both.standard_output == "out\n");
    CHECK(both.standard_error == "err\n");
    CHECK(both.status.code == 3);
    CHECK(run("kill -9 $$").status.signal == 9);
    CHECK(run("cat").status.ok());
    CHECK_THROWS_WITH_AS(Process::start({.arguments = {"no-such-program"}}),
                         "start: no-such-program: not found on PATH", Error);
}
