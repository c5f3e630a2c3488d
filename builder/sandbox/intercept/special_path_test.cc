// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/intercept/special_path.h"

#include <doctest/doctest.h>

using namespace imgbuild;
using namespace imgbuild::builder;
using Kind = SpecialPath::Kind;

namespace {

SpecialPath of(std::string_view path) { return special_path(ImagePath::clean(path)); }

}  // namespace

TEST_CASE("what lies below /proc is the machine's or a task's") {
    CHECK(of("/proc/cpuinfo") == SpecialPath{Kind::machine, "", "cpuinfo"});
    CHECK(of("/proc/sys/kernel/osrelease") == SpecialPath{Kind::machine, "", "sys/kernel/osrelease"});
    CHECK(of("/proc/self") == SpecialPath{Kind::task, "self", ""});
    CHECK(of("/proc/self/fd/3") == SpecialPath{Kind::task, "self", "fd/3"});
    CHECK(of("/proc/../proc//thread-self/./status") == SpecialPath{Kind::task, "thread-self", "status"});
    CHECK(of("/proc/17/task/18") == SpecialPath{Kind::task, "17", "task/18"});
    CHECK(of("/proc/net/tcp") == SpecialPath{Kind::task, "self", "net/tcp"});
}

TEST_CASE("the names of /dev that lead to /proc are a task's") {
    CHECK(of("/dev/stdout") == SpecialPath{Kind::task, "self", "fd/1"});
    CHECK(of("/dev/fd") == SpecialPath{Kind::task, "self", "fd"});
    CHECK(special_path(ImagePath::clean("/dev/stdout"), false) == SpecialPath{});
    CHECK(of("/dev/fd/63") == SpecialPath{Kind::task, "self", "fd/63"});
    CHECK(of("/dev/ptmx") == SpecialPath{Kind::terminal, "", "ptmx"});
    CHECK(of("/dev/pts/0") == SpecialPath{Kind::terminal, "", "pts/0"});
}

TEST_CASE("files answer for what would tell of the container around") {
    for (const char* path :
         {"/proc/mounts", "/proc/self/mounts", "/proc/self/mountinfo", "/proc/self/cgroup", "/proc/kcore",
          "/proc/sysrq-trigger", "/proc/acpi/x", "/sys/firmware/efi", "/sys/fs/cgroup"})
        CHECK_MESSAGE(of(path) == SpecialPath{}, path);
}

TEST_CASE("all else is ordinary") {
    for (const char* path : {"/", "/dev", "/dev/null", "/dev/pts", "/dev/stdoutx", "/procx/self", "/a/proc/self",
                             "/system", "/etc/passwd"})
        CHECK_MESSAGE(of(path) == SpecialPath{}, path);
    CHECK(of("/proc/") == SpecialPath{Kind::processes, "", ""});
    CHECK(of("/sys") == SpecialPath{Kind::system, "", "."});
    CHECK(of("/sys/class/net") == SpecialPath{Kind::system, "", "class/net"});
}
