// SPDX-License-Identifier: Apache-2.0
// What the probe says of machines that lack something: each is made for one process, in namespaces of its own.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>

#include "base/error.h"
#include "builder/sandbox/integration/scene.h"
#include "builder/sandbox/intercept/listener.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

constexpr uid_t somebody = 54321;

void require(bool good, const char* what) {
    if (!good) throw_errno("set the scene", what);
}

void write_file(const std::string& path, const std::string& text) {
    Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    require(file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()), path.c_str());
}

// This process becomes root of a user namespace that maps everything.
void enter_user_namespace() {
    std::array<int, 2> ends{};
    require(::pipe(ends.data()) == 0, "a pipe");
    std::string ours = fmt::format("/proc/{}/", ::getpid());
    pid_t mapper = ::fork();
    if (mapper == 0) {
        char word = 0;
        require(::read(ends[0], &word, 1) == 1, "wait");
        write_file(ours + "uid_map", "0 0 4294967295");
        write_file(ours + "gid_map", "0 0 4294967295");
        ::_exit(0);
    }
    require(::unshare(CLONE_NEWUSER) == 0, "a user namespace");
    require(::write(ends[1], "g", 1) == 1, "go");
    ::waitpid(mapper, nullptr, 0);
}

struct Machine {
    std::string subuid = "somebody:300000:65536\n";
    std::string subgid = "somebody:300000:65536\n";
    std::string path = "/usr/bin:/bin";
    std::function<void()> before = [] {};   ///< as root, first of all
    std::function<void()> prepare = [] {};  ///< as root, in the mount namespace
    uid_t user = somebody;
};

std::string probe_here(const Machine& machine, RootMode mode) {
    machine.before();
    require(::unshare(CLONE_NEWNS) == 0, "a mount namespace");
    require(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
    TemporaryDirectory place = TemporaryDirectory::create();
    require(::chmod(place.path().c_str(), 0755) == 0, "the mode of a folder");
    write_file(place.path() + "/passwd", "root:x:0:0::/:\nsomebody:x:54321:54321::/:\n");
    write_file(place.path() + "/subuid", machine.subuid);
    write_file(place.path() + "/subgid", machine.subgid);
    std::string layers = "lowerdir=" + place.path() + ":/etc";
    require(::mount("etc", "/etc", "overlay", MS_RDONLY, layers.c_str()) == 0, "/etc");
    machine.prepare();
    ::setenv("PATH", machine.path.c_str(), 1);
    if (machine.user != 0)
        require(::setgroups(0, nullptr) == 0 && ::setresgid(somebody, somebody, somebody) == 0 &&
                    ::setresuid(machine.user, machine.user, machine.user) == 0,
                "another user");
    for (const Rung& rung : probe_rungs("/tmp")) {
        if (rung.mode != mode) continue;
        if (rung.works && !rung.shares_processes) return "works";
        return (rung.works ? "works, shares processes: " : "") + rung.reason + " | " + rung.remedy;
    }
    return "not probed";
}

// "works", or reason and remedy, of the rung `mode` on `machine`.
std::string probe(const Machine& machine, RootMode mode = RootMode::userns) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    pid_t child = ::fork();
    if (child == 0) {
        std::string found;
        try {
            found = probe_here(machine, mode);
        } catch (const Error& error) {
            found = error.full_message();
        }
        ::_exit(::write(ends[1], found.data(), found.size()) < 0);
    }
    Fd ours(ends[0]);
    { Fd theirs(ends[1]); }
    std::string text(4096, '\0');
    ssize_t count = ::read(ours.get(), text.data(), text.size());
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    ::waitpid(child, nullptr, 0);
    return text;
}

}  // namespace

TEST_CASE("a user with subordinate ids has a rung, and root's is not his") {
    if (!is_real_root()) return;
    CHECK(probe(Machine()) == "works");
    CHECK(probe(Machine(), RootMode::root) == "this is not root | sudo imgbuild …");
}

TEST_CASE("rungs of later versions say that they are not in this one") {
    for (const Rung& rung : probe_rungs("/tmp")) {
        if (rung.mode != RootMode::emulated) continue;
        CHECK_FALSE(rung.works);
        CHECK(rung.reason.find("not in this version") != std::string::npos);
    }
}

TEST_CASE("a user without subordinate ids is told the file and the command") {
    if (!is_real_root()) return;
    const std::string remedy = " | usermod --add-subuids 100000-165535 --add-subgids 100000-165535 somebody";
    CHECK(probe({.subuid = "other:1:2\n"}) == "no subordinate ids for somebody in /etc/subuid" + remedy);
    CHECK(probe({.subgid = ""}) == "no subordinate ids for somebody in /etc/subgid" + remedy);
}

TEST_CASE("a user without subordinate ids has the rung with one id") {
    if (!is_real_root()) return;
    CHECK(probe({.subuid = ""}, RootMode::single) == "works");
    Machine machine;
    machine.before = enter_user_namespace;
    machine.prepare = [] { write_file("/proc/sys/user/max_user_namespaces", "0"); };
    CHECK(probe(machine, RootMode::single) ==
          "user namespaces are switched off (user.max_user_namespaces is 0) | sysctl user.max_user_namespaces=15000");
}

TEST_CASE("one id is not enough where another program answers system calls") {
    if (!is_real_root()) return;
    Machine machine;
    const std::array calls{WatchedCall{SYS_acct}};
    Fd listener;
    machine.before = [&] { listener = listen_to_calls(calls); };
    CHECK(probe(machine, RootMode::single) ==
          "another program answers system calls here already (seccomp user notification), and the kernel allows one | "
          "start imgbuild outside of that program");
}

TEST_CASE("a missing newuidmap is named with the package that has it") {
    if (!is_real_root()) return;
    CHECK(probe({.path = "/nowhere"}) == "newuidmap is not installed | apt-get install uidmap");
}

TEST_CASE("a newuidmap that is not set-uid is found out") {
    if (!is_real_root()) return;
    Machine machine;
    machine.prepare = [] {
        // The program itself, where set-uid bits count for nothing.
        require(::mount("/usr/bin/newuidmap", "/usr/bin/newuidmap", nullptr, MS_BIND, nullptr) == 0, "a bind");
        require(::mount(nullptr, "/usr/bin/newuidmap", nullptr, MS_REMOUNT | MS_BIND | MS_NOSUID, nullptr) == 0, "it");
    };
    std::string found = probe(machine);
    CHECK(found.starts_with("map ids: newuidmap refused: "));
    CHECK(found.ends_with(" | check /etc/subuid and /etc/subgid, and that newuidmap and newgidmap are set-uid root"));
}

TEST_CASE("user namespaces that are switched off are named by their switch") {
    if (!is_real_root()) return;
    Machine machine;
    machine.before = enter_user_namespace;  // the switch is one of each user namespace
    machine.prepare = [] { write_file("/proc/sys/user/max_user_namespaces", "0"); };
    CHECK(probe(machine) ==
          "user namespaces are switched off (user.max_user_namespaces is 0) | sysctl user.max_user_namespaces=15000");
}

TEST_CASE("where parts of /proc are masked, commands share it, and what opens the better rung is named") {
    if (!is_real_root()) return;
    Machine machine;
    machine.prepare = [] { require(::mount("mask", "/proc/fs", "tmpfs", MS_RDONLY, nullptr) == 0, "a mask"); };
    for (const RootMode mode : {RootMode::userns, RootMode::single})
        CHECK(probe(machine, mode) ==
              "works, shares processes: parts of /proc are masked here, so the kernel allows no new one: this is a "
              "container | start the container with --security-opt systempaths=unconfined (podman: unmask=ALL)");
}

TEST_CASE("root of a user namespace that somebody else made has root's rung") {
    if (!is_real_root()) return;
    Machine machine;
    machine.before = enter_user_namespace;
    machine.user = 0;
    CHECK(probe(machine, RootMode::root) == "works");
}

TEST_CASE("the features of the kernel are listed with a yes or a reason") {
    std::string names;
    for (const auto& [name, value] : kernel_features()) {
        names += name + "\n";
        CHECK_FALSE(value.empty());
    }
    CHECK(names ==
          "kernel\noverlay\noverlay layers one by one\nlandlock\ncgroup\nuser namespaces\nsystem call "
          "filter\n/proc\n");
}
