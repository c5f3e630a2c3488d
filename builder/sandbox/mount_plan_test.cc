// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/mount_plan.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

ImagePath at(std::string_view path) { return ImagePath::clean(path); }

const MountSources sources{{"top/files", "base/files"}, {{"bind/files"}}, "nameserver 1\n", "hosts\n"};

std::string plan_of(const RunSpec& spec, const MountFeatures& features = {}) {
    return describe(plan_mounts(spec, sources, features));
}

// The same where nothing can be mounted.
constexpr const char* plan_without_mounts = R"(mount proc on /proc strict
mount sysfs on /sys strict mode=555
mount tmpfs on /dev strict mode=755
device /dev/null 1:3
device /dev/zero 1:5
device /dev/full 1:7
device /dev/random 1:8
device /dev/urandom 1:9
device /dev/tty 5:0
link /dev/fd to /proc/self/fd
link /dev/stdin to /proc/self/fd/0
link /dev/stdout to /proc/self/fd/1
link /dev/stderr to /proc/self/fd/2
link /dev/ptmx to pts/ptmx
directory /dev/pts mode 755
directory /dev/mqueue mode 755
device /dev/pts/ptmx 5:2
mount tmpfs on /dev/shm strict mode=1777
place hosts of 6 bytes at /etc/hosts
place resolv.conf of 13 bytes at /etc/resolv.conf
)";

// Of a RUN that asks for nothing, by root.
constexpr const char* plain_plan = R"(stack root of top/files base/files writable nodev
root root
mount proc on /proc strict nosuid nodev noexec
mount sysfs on /sys strict ro nosuid nodev noexec
mount tmpfs on /dev strict mode=755 size=65536k nosuid nodev
device /dev/null 1:3
device /dev/zero 1:5
device /dev/full 1:7
device /dev/random 1:8
device /dev/urandom 1:9
device /dev/tty 5:0
link /dev/fd to /proc/self/fd
link /dev/stdin to /proc/self/fd/0
link /dev/stdout to /proc/self/fd/1
link /dev/stderr to /proc/self/fd/2
link /dev/ptmx to pts/ptmx
directory /dev/pts mode 755
directory /dev/shm mode 755
directory /dev/mqueue mode 755
mount devpts on /dev/pts strict newinstance ptmxmode=0666 mode=0620 gid=5 nosuid noexec
mount tmpfs on /dev/shm strict mode=1777 size=67108864 nosuid nodev noexec
mount mqueue on /dev/mqueue strict nosuid nodev noexec
mask /proc/acpi
mask /proc/asound
mask /proc/interrupts
mask /proc/kcore
mask /proc/keys
mask /proc/latency_stats
mask /proc/sched_debug
mask /proc/scsi
mask /proc/timer_list
mask /proc/timer_stats
mask /sys/firmware
mask /sys/devices/virtual/powercap
protect /proc/bus
protect /proc/fs
protect /proc/irq
protect /proc/sys
protect /proc/sysrq-trigger
place hosts of 6 bytes at /etc/hosts
place resolv.conf of 13 bytes at /etc/resolv.conf
)";

// The lines of `plan` that hold `word`.
std::string lines_with(const std::string& plan, std::string_view word) {
    std::string found;
    for (std::size_t at = 0; at < plan.size();) {
        std::size_t end = plan.find('\n', at) + 1;
        std::string_view line = std::string_view(plan).substr(at, end - at);
        if (line.find(word) != std::string_view::npos) found += line;
        at = end;
    }
    return found;
}

}  // namespace

TEST_CASE("the plan without mounts") { CHECK(plan_of({}, {.can_mount = false}) == plan_without_mounts); }

TEST_CASE("a RUN that asks for nothing gets what Docker gives it") {
    CHECK(plan_of(RunSpec()) == std::string(plain_plan));
}

TEST_CASE("in a user namespace the host's devices are bound, and group 5 is used only where it is mapped") {
    std::string plan = plan_of(RunSpec(), {.user_namespace = true, .tty_group = false});
    CHECK(lines_with(plan, "device ").empty());
    CHECK(lines_with(plan, "host:/dev") ==
          "bind host:/dev/null on /dev/null nosuid\nbind host:/dev/zero on /dev/zero nosuid\n"
          "bind host:/dev/full on /dev/full nosuid\nbind host:/dev/random on /dev/random nosuid\n"
          "bind host:/dev/urandom on /dev/urandom nosuid\nbind host:/dev/tty on /dev/tty nosuid\n");
    CHECK(lines_with(plan, "devpts").find("gid=") == std::string::npos);
}

TEST_CASE("a user namespace without a network namespace of its own gets the host's /sys, read-only") {
    RunSpec spec;
    CHECK(lines_with(plan_of(spec, {.user_namespace = true, .cgroup2 = true}), "/sys") ==
          "bind host:/sys on /sys recursive ro nosuid nodev noexec\nmask /sys/fs/cgroup\nmask /sys/firmware\n"
          "mask /sys/devices/virtual/powercap\nprotect /proc/sys\nprotect /proc/sysrq-trigger\n");
    for (const NetworkMode own : {NetworkMode::none, NetworkMode::own}) {
        spec.network = own;
        CHECK(lines_with(plan_of(spec, {.user_namespace = true, .cgroup2 = true}), "on /sys") ==
              "mount sysfs on /sys strict ro nosuid nodev noexec\n"
              "mount cgroup2 on /sys/fs/cgroup strict ro nosuid nodev noexec\n");
    }
}

TEST_CASE("where no new /proc can be mounted, the one around is bound, with what is masked in it and more") {
    RunSpec spec;
    spec.own_processes = false;
    const std::string plan = plan_of(spec, {.user_namespace = true});
    CHECK(lines_with(plan, "on /proc") == "bind host:/proc on /proc recursive nosuid nodev noexec\n");
    CHECK(lines_with(plan, "mask /proc") == lines_with(plan_of(RunSpec()), "mask /proc"));
    spec.network = NetworkMode::own;
    CHECK(lines_with(plan_of(spec, {.user_namespace = true}), "on /sys") ==
          "bind host:/sys on /sys recursive ro nosuid nodev noexec\n");
    CHECK(lines_with(plan, "protect ") == lines_with(plan_of(RunSpec()), "protect "));
}

TEST_CASE("insecure mode masks and protects nothing and lets devices open") {
    RunSpec spec;
    spec.security = SecurityMode::insecure;
    std::string plan = plan_of(spec);
    CHECK(lines_with(plan, "mask ").empty());
    CHECK(lines_with(plan, "protect ").empty());
    CHECK(lines_with(plan, "stack") == "stack root of top/files base/files writable\n");
    CHECK(lines_with(plan, "on /sys") == "mount sysfs on /sys strict nosuid nodev noexec\n");
    CHECK(lines_with(plan, "on /dev strict") == "mount tmpfs on /dev strict mode=755 size=65536k nosuid\n");
}

TEST_CASE("mounts that a Buildfile asks for come last, parents before what lies below them") {
    RunSpec spec;
    spec.secrets = {{at("/z/secret"), "never printed", 0440, 1, 2}};
    spec.tmpfs = {{at("/z"), 1 << 20}, {at("/a"), 0}};
    spec.binds = {{at("/z/b"), {}, at("/from"), true}};
    spec.caches = {{.target = at("/c"), .id = "id", .source = at("/sub"), .read_only = true}};
    spec.sockets = {{at("/agent"), "/run/host.sock", 0660, 3, 4}};
    spec.scripts = {{at("/dev/pipes/run"), "#!"}};
    std::string plan = plan_of(spec);
    CHECK(plan.substr(plan.find("mount tmpfs on /a")) == R"(mount tmpfs on /a mode=1777 nosuid nodev
own host:/run/host.sock mode 660 owner 3:4
bind host:/run/host.sock on /agent ro nosuid nodev noexec
bind cache-0:/sub on /c ro nodev
file script-0 of 2 bytes mode 755 owner 0:0
bind files:/script-0 on /dev/pipes/run ro nosuid nodev
place hosts of 6 bytes at /etc/hosts
place resolv.conf of 13 bytes at /etc/resolv.conf
mount tmpfs on /z mode=1777 size=1048576 nosuid nodev
stack bind-0 of bind/files writable nodev
bind bind-0:/from on /z/b
file secret-0 of 13 bytes mode 440 owner 1:2
bind files:/secret-0 on /z/secret ro nosuid nodev noexec
)");
}

TEST_CASE("a mount on hosts or resolv.conf takes the place of ours") {
    RunSpec spec;
    spec.tmpfs = {{at("/etc/hosts"), 0}};
    CHECK(lines_with(plan_of(spec), "/etc/hosts") == "mount tmpfs on /etc/hosts mode=1777 nosuid nodev\n");
}

TEST_CASE("targets that would cover the root or /proc are refused with their name") {
    for (const char* place : {"/", "/proc", "/proc/self/fd"}) {
        RunSpec spec;
        spec.tmpfs = {{at(place), 0}};
        try {
            plan_of(spec);
            FAIL("nothing was thrown");
        } catch (const Error& error) {
            CHECK(error.kind() == ErrorKind::usage);
            CHECK(error.message() == std::string("mount: ") + place + ": nothing can be mounted there");
        }
    }
}
