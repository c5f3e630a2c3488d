// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/limit_options.h"

#include <doctest/doctest.h>

#include "base/test_support.h"

using namespace imgbuild;
using namespace imgbuild::cli;

namespace {

builder::RunSettings settings_of(const LimitFlags& flags) {
    builder::RunSettings settings;
    read_limits(settings, flags);
    return settings;
}

std::string refusal_of(const LimitFlags& flags) {
    return test::refusal([&] { settings_of(flags); });
}

}  // namespace

TEST_CASE("limits are read as docker build has them") {
    const builder::RunSettings settings = settings_of({.memory = "1g",
                                                       .memory_swap = "-1",
                                                       .cpus = "1.5",
                                                       .cpu_shares = "512",
                                                       .cpuset_cpus = "0-2,4",
                                                       .cpuset_mems = "0",
                                                       .pids = "64",
                                                       .cgroup_parent = "/builds",
                                                       .step_timeout = "1m30s"});
    CHECK(settings.budget.memory == 1ULL << 30);
    CHECK(settings.budget.memory_and_swap == ~0ULL);
    CHECK(settings.budget.cpu_quota == 150'000);
    CHECK(settings.budget.cpu_period == 100'000);
    CHECK(settings.budget.cpu_shares == 512);
    CHECK(settings.budget.processors == "0-2,4");
    CHECK(settings.budget.memory_nodes == "0");
    CHECK(settings.budget.processes == 64);
    CHECK(settings.budget.parent == "/builds");
    CHECK(settings.timeout_milliseconds == 90'000);
    CHECK_FALSE(settings_of({}).budget.is_set());
    CHECK_FALSE(settings_of({.pids = "-1"}).budget.is_set());
    CHECK(settings_of({.cpu_period = "50000", .cpu_quota = "25000"}).budget.cpu_period == 50'000);
}

TEST_CASE("a limit that means nothing is refused, and why") {
    CHECK(refusal_of({.memory = "much"}) == "usage: --memory: much: no size");
    CHECK(refusal_of({.memory = "0"}) == "usage: --memory: 0: no size");
    CHECK(refusal_of({.memory_swap = "1g"}) == "usage: --memory-swap: needs --memory as well");
    CHECK(refusal_of({.memory = "2g", .memory_swap = "1g"}) == "usage: --memory-swap: 1g: less than --memory");
    CHECK(refusal_of({.cpus = "two"}) == "usage: --cpus: two: no number of processors");
    CHECK(refusal_of({.cpus = "0.001"}) == "usage: --cpus: 0.001: no number of processors");
    CHECK(refusal_of({.cpus = "1", .cpu_quota = "5000"}) ==
          "usage: --cpus: stands for --cpu-quota and --cpu-period, which are there as well");
    CHECK(refusal_of({.cpu_period = "5000"}) == "usage: --cpu-period: needs --cpu-quota as well");
    CHECK(refusal_of({.cpu_shares = "1"}) == "usage: --cpu-shares: 1: expected a number from 2 to 262144");
    CHECK(refusal_of({.cpuset_cpus = "all"}) == "usage: --cpuset-cpus: all: no list of numbers");
    CHECK(refusal_of({.pids = "none"}) == "usage: --pids-limit: none: expected a number from 1 to 4194304");
    CHECK(refusal_of({.cgroup_parent = "/a/../b"}) == "usage: --cgroup-parent: /a/../b: no path of a cgroup");
    CHECK(refusal_of({.step_timeout = "soon"}) == "usage: --step-timeout: soon: no duration");
    CHECK(refusal_of({.step_timeout = "100ms"}) == "usage: --step-timeout: 100ms: less than a second");
}
