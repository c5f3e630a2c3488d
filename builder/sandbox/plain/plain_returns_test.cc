// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/plain/plain_returns.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/temporary_directory.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

ImagePath at(std::string_view path) { return ImagePath::clean(path); }

// A work folder whose root holds the directory of a cache, and the folder that the cache belongs to.
struct Away {
    TemporaryDirectory place = TemporaryDirectory::create();
    Directory work = place.directory().make_directory(at("/work"));
    Directory home = place.directory().make_directory(at("/home"));
    Directory cache = work.make_directory(at("/root/var/cache"));

    Away() { write_file_atomically(cache, "kept", "bytes", Durability::none); }
    Return note() const {
        struct stat status {};
        ::fstat(cache.fd(), &status);
        return {at("/root/var/cache"), {place.path() + "/home", ImagePath()}, "data-0", status.st_dev, status.st_ino};
    }
};

}  // namespace

TEST_CASE("what a killed command had in its root returns where it belongs") {
    Away away;
    note_return(away.work, away.note());
    bring_back(away.work);
    CHECK(away.home.read_file(at("/data-0/kept"), 100) == "bytes");
    CHECK_FALSE(away.work.status(at("/root/var/cache")));
    bring_back(away.work);  // nothing is away any more
    CHECK(away.home.read_file(at("/data-0/kept"), 100) == "bytes");
}

TEST_CASE("what the command put in its place does not return, nor over what came meanwhile") {
    Away other;
    Return note = other.note();
    ++note.inode;
    note_return(other.work, note);
    bring_back(other.work);
    CHECK_FALSE(other.home.status(at("/data-0")));

    Away late;
    late.home.make_directory(at("/data-0"));
    note_return(late.work, late.note());
    bring_back(late.work);
    CHECK(late.home.open_directory(at("/data-0"), FollowLinks::never).list().empty());
}

TEST_CASE("a link that the command made of a parent leads nowhere") {
    Away away;
    note_return(away.work, away.note());
    const Directory root = away.work.open_directory(at("/root"), FollowLinks::never);
    REQUIRE(::renameat(root.fd(), "var", root.fd(), "real") == 0);
    REQUIRE(::symlinkat("real", root.fd(), "var") == 0);
    bring_back(away.work);
    CHECK_FALSE(away.home.status(at("/data-0")));
}

TEST_CASE("a note that was cut brings back what stands in it whole") {
    Away away;
    note_return(away.work, away.note());
    const Fd note(::openat(away.work.fd(), "returns", O_WRONLY | O_APPEND | O_CLOEXEC));
    REQUIRE(::write(note.get(), "\x20half", 5) == 5);
    bring_back(away.work);
    CHECK(away.home.status(at("/data-0")));
}
