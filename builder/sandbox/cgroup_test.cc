// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/cgroup.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

std::string text_of(const ResourceBudget& budget, bool unified) {
    std::string text;
    for (const CgroupSetting& setting : cgroup_settings(budget, unified))
        text += fmt::format("{} {}{}\n", setting.file, setting.value, setting.is_optional ? " ?" : "");
    return text;
}

}  // namespace

TEST_CASE("limits as both versions of control groups spell them") {
    const ResourceBudget budget{.memory = 64 << 20,
                                .cpu_quota = 150'000,
                                .cpu_shares = 1024,
                                .processors = "0-1",
                                .memory_nodes = "0",
                                .processes = 50};
    CHECK(text_of(budget, true) ==
          "memory.max 67108864\nmemory.swap.max 67108864 ?\ncpu.max 150000 100000\ncpu.weight 39\n"
          "cpuset.cpus 0-1\ncpuset.mems 0\npids.max 50\n");
    CHECK(text_of(budget, false) ==
          "memory.limit_in_bytes 67108864\nmemory.memsw.limit_in_bytes 134217728 ?\n"
          "cpu.cfs_period_us 100000\ncpu.cfs_quota_us 150000\ncpu.shares 1024\n"
          "cpuset.cpus 0-1\ncpuset.mems 0\npids.max 50\n");
    CHECK(text_of({}, true).empty());
}

TEST_CASE("swap is what the sum of both leaves, and any when that is asked for") {
    CHECK(text_of({.memory = 100, .memory_and_swap = 100}, true) == "memory.max 100\nmemory.swap.max 0\n");
    CHECK(text_of({.memory = 100, .memory_and_swap = ~0ULL}, true) == "memory.max 100\nmemory.swap.max max\n");
    CHECK(text_of({.memory = 100, .memory_and_swap = ~0ULL}, false) ==
          "memory.limit_in_bytes 100\nmemory.memsw.limit_in_bytes -1\n");
}

TEST_CASE("weights run from the least to the most of both scales") {
    CHECK(text_of({.cpu_shares = 2}, true) == "cpu.weight 1\n");
    CHECK(text_of({.cpu_shares = 262'144}, true) == "cpu.weight 10000\n");
}

TEST_CASE("hierarchies are found where they are mounted, and our group in them") {
    const auto both = cgroup_hierarchies(
        "30 25 0:26 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n"
        "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "32 25 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "33 25 0:29 / /sys/fs/cgroup/uni\\040fied rw shared:3 - cgroup2 cgroup2 rw\n"
        "34 25 0:30 / /home rw - ext4 /dev/sda rw\n",
        "4:memory:/user/one\n3:cpu,cpuacct:/\n1:name=systemd:/x\n0::/two\n");
    REQUIRE(both.size() == 3);
    CHECK(both[0].controllers == std::vector<std::string>{"memory"});
    CHECK(both[0].own == "/sys/fs/cgroup/memory/user/one");
    CHECK(both[1].controllers == std::vector<std::string>{"cpu"});
    CHECK(both[1].own == "/sys/fs/cgroup/cpu,cpuacct");
    CHECK(both[2].unified);
    CHECK(both[2].own == "/sys/fs/cgroup/uni fied/two");
}

TEST_CASE("in a container the mount shows our group alone, by its path outside or as the root") {
    const std::string mount = "30 25 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
    CHECK(cgroup_hierarchies(mount, "0::/docker/abc/sub\n").at(0).own == "/sys/fs/cgroup/sub");
    CHECK(cgroup_hierarchies(mount, "0::/docker/abc\n").at(0).own == "/sys/fs/cgroup");
    CHECK(cgroup_hierarchies("30 25 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/../../x\n").at(0).own ==
          "/sys/fs/cgroup");
}

TEST_CASE("a group may be made at ours and at all above it, nearest first") {
    const CgroupHierarchy hierarchy{.unified = true, .mount_point = "/cg", .own = "/cg/user/one"};
    CHECK(directories_above(hierarchy) == std::vector<std::string>{"/cg/user/one", "/cg/user", "/cg"});
}
