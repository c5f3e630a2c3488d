// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/probe.h"

#include <doctest/doctest.h>

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

const Error refused(ErrorKind::denied, "make a user namespace: Operation not permitted", "the hint");

std::string explained(RootMode mode, const MachineSwitches& switches, const Error& error = refused) {
    Rung rung{.mode = mode, .works = true};
    explain_refusal(rung, error, switches);
    CHECK_FALSE(rung.works);
    return rung.reason + " | " + rung.remedy;
}

std::string chosen(const std::vector<Rung>& rungs, std::optional<RootMode> wanted = std::nullopt) {
    try {
        return std::string(name_of(choose_rung(rungs, wanted).mode));
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unsupported);
        return error.message() + " | " + error.hint();
    }
}

}  // namespace

TEST_CASE("subordinate ids are those of the user, by name or by number, in their order") {
    std::string_view file = "other:1:10\nuser:100000:65536\n1000:300000:5\nuser:400000:1\n";
    std::vector<IdRange> expected{{0, 100000, 65536}, {0, 300000, 5}, {0, 400000, 1}};
    CHECK(parse_subordinate_ids(file, 1000, "user") == expected);
    CHECK(parse_subordinate_ids(file, 1001, "other") == std::vector<IdRange>{{0, 1, 10}});
    CHECK(parse_subordinate_ids(file, 1000, "") == std::vector<IdRange>{{0, 300000, 5}});
    CHECK(parse_subordinate_ids(file, 7, "nobody").empty());
    CHECK(parse_subordinate_ids("", 1000, "user").empty());
}

TEST_CASE("lines of subordinate ids that mean nothing are left out") {
    for (std::string_view line : {"user", "user:1", "user:1:2:3", "user:x:1", "user:1:x", "user:-1:5", "user:1:0",
                                  "user:4294967295:2", "user:4294967296:1", "# user:1:2", "users:1:2", ":1:2"}) {
        CAPTURE(line);
        CHECK(parse_subordinate_ids(line, 1000, "user").empty());
    }
    CHECK(parse_subordinate_ids("  user:1:2  \r\n", 1000, "user").size() == 1);
    CHECK(parse_subordinate_ids("user:4294967294:1", 1000, "user").size() == 1);
}

TEST_CASE("names of root modes go both ways") {
    for (std::string_view name : {"root", "userns", "single", "chroot", "emulated"})
        CHECK(name_of(root_mode_from_name(name).value()) == name);
    CHECK_FALSE(root_mode_from_name("auto"));
    CHECK_FALSE(root_mode_from_name(""));
}

TEST_CASE("the switch that forbids user namespaces is named with what opens it") {
    CHECK(explained(RootMode::userns, {.max_user_namespaces = "0"}) ==
          "user namespaces are switched off (user.max_user_namespaces is 0) | sysctl user.max_user_namespaces=15000");
    CHECK(explained(RootMode::userns, {.max_user_namespaces = "9", .unprivileged_clone = "0"}) ==
          "user namespaces are for root only (kernel.unprivileged_userns_clone is 0) | "
          "sysctl kernel.unprivileged_userns_clone=1");
    CHECK(explained(RootMode::userns, {.unprivileged_clone = "1", .apparmor = "1"}) ==
          "AppArmor gives no rights in user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1) | "
          "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile for imgbuild");
}

TEST_CASE("a refusal that no switch explains keeps its own words, and a filter is mentioned") {
    CHECK(explained(RootMode::userns, {.apparmor = "0"}) ==
          "make a user namespace: Operation not permitted | the hint");
    CHECK(explained(RootMode::root, {.max_user_namespaces = "0", .filtered = true}) ==
          "make a user namespace: Operation not permitted (a system call filter is active: is this a container?) | "
          "the hint");
}

TEST_CASE("a masked /proc explains only the mount of a new one") {
    Error mount(ErrorKind::denied, "mount: proc: Operation not permitted");
    mount.add_frame("sandbox: mount proc on /proc strict nosuid nodev noexec");
    CHECK(explained(RootMode::userns, {.proc_masked = true}, mount).starts_with("parts of /proc are masked here"));
    CHECK(explained(RootMode::userns, {.proc_masked = false}, mount).starts_with("sandbox: mount proc on /proc"));
    CHECK(explained(RootMode::userns, {.proc_masked = true}).starts_with("make a user namespace"));
}

TEST_CASE("mounts below /proc mask it, /proc itself and what systemd mounts there do not") {
    CHECK_FALSE(masks_proc(""));
    CHECK_FALSE(
        masks_proc("24 29 0:22 / /proc rw,nosuid shared:13 - proc proc rw\n"
                   "40 24 0:33 / /proc/sys/fs/binfmt_misc rw shared:14 - autofs systemd-1 rw\n"
                   "41 29 0:34 / /procession rw - tmpfs tmpfs rw\n"));
    CHECK(masks_proc("24 29 0:22 / /proc rw - proc proc rw\n50 24 0:40 / /proc/kcore ro - tmpfs tmpfs rw\n"));
}

TEST_CASE("the best rung that works is chosen, or the one that was asked for") {
    std::vector<Rung> rungs{{.mode = RootMode::root, .reason = "this is not root", .remedy = "sudo"},
                            {.mode = RootMode::userns, .works = true},
                            {.mode = RootMode::single, .works = true}};
    CHECK(chosen(rungs) == "userns");
    CHECK(chosen(rungs, RootMode::single) == "single");
    CHECK(chosen(rungs, RootMode::root) ==
          "run a command: this isolation does not work here: root: this is not root | sudo");
}

TEST_CASE("when nothing works, each rung says why and the user's remedy is the hint") {
    std::vector<Rung> rungs{{.mode = RootMode::root, .reason = "this is not root", .remedy = "sudo"},
                            {.mode = RootMode::userns, .reason = "no ids", .remedy = "usermod"},
                            {.mode = RootMode::single, .reason = "absent"}};
    CHECK(chosen(rungs) ==
          "run a command: no isolation works here: root: this is not root; userns: no ids; single: absent | usermod");
    rungs[1].remedy.clear();
    CHECK(chosen(rungs).ends_with(" | sudo"));
}

TEST_CASE("a store on an overlay file system is named with the option that puts it elsewhere") {
    const Error error(ErrorKind::denied, "make whiteout: /removed: Operation not permitted");
    CHECK(explained(RootMode::root, {.store_is_overlay = true}, error) ==
          "the store lies on an overlay file system, and the kernel stacks no other one on it | --store DIR (or "
          "IMGBUILD_STORE) on another file system: a volume of the container, for example");
    CHECK(explained(RootMode::root, {}, error).find("overlay file system") == std::string::npos);
    CHECK(explained(RootMode::chroot, {.store_is_overlay = true}, error).find("overlay") == std::string::npos);
}

TEST_CASE("only a new /proc that is refused where the one around is masked makes a command share processes") {
    const Error error = Error(ErrorKind::denied, "mount: proc: Operation not permitted")
                            .add_frame("sandbox: mount proc on /proc strict");
    CHECK(is_proc_refused(error, {.proc_masked = true}));
    CHECK_FALSE(is_proc_refused(error, {}));
    CHECK_FALSE(is_proc_refused(refused, {.proc_masked = true}));
}

TEST_CASE("a build on a rung that shares processes says so, with what else it lacks") {
    CHECK(weakness_of({.mode = RootMode::userns, .works = true}).empty());
    CHECK(weakness_of({.mode = RootMode::userns, .works = true, .shares_processes = true})
              .starts_with("commands see the processes of the container around"));
    const std::string both = weakness_of({.mode = RootMode::single, .works = true, .shares_processes = true});
    CHECK(both.starts_with("commands run as one id"));
    CHECK(both.find("; commands see the processes") != std::string::npos);
}
