// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/limit_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/ascii.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/common/option_values.h"

namespace imgbuild::cli {
namespace {

// What the kernel takes.
constexpr std::uint64_t least_quota = 1'000;
constexpr std::uint64_t least_period = 1'000, most_period = 1'000'000;
constexpr std::uint64_t least_shares = 2, most_shares = 262'144;
constexpr double most_processors = 1'000'000;
constexpr std::uint64_t any_swap = ~std::uint64_t{0};

std::uint64_t number_between(const std::string& text, std::string_view flag, std::uint64_t least, std::uint64_t most) {
    const std::optional<std::uint64_t> number = parse_unsigned(text);
    if (!number || *number < least || *number > most)
        refuse_value(flag, text, fmt::format("expected a number from {} to {}", least, most));
    return *number;
}

void read_memory(builder::ResourceBudget& budget, const LimitFlags& flags) {
    if (flags.memory) {
        budget.memory = parse_size(*flags.memory, "--memory");
        if (budget.memory == 0) refuse_value("--memory", *flags.memory, "no size", "leave the flag out for no limit");
    }
    if (!flags.memory_swap) return;
    if (budget.memory == 0) throw Error(ErrorKind::usage, "--memory-swap: needs --memory as well");
    budget.memory_and_swap = *flags.memory_swap == "-1" ? any_swap : parse_size(*flags.memory_swap, "--memory-swap");
    if (*budget.memory_and_swap < budget.memory)
        refuse_value("--memory-swap", *flags.memory_swap, "less than --memory",
                     "it is the sum of both; the same as --memory allows no swap");
}

void read_processors(builder::ResourceBudget& budget, const LimitFlags& flags) {
    if (flags.cpus && (flags.cpu_quota || flags.cpu_period))
        throw Error(ErrorKind::usage, "--cpus: stands for --cpu-quota and --cpu-period, which are there as well");
    if (flags.cpus) {
        const std::string& text = *flags.cpus;
        double count = 0;
        const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
        const bool is_number = problem == std::errc() && end == text.data() + text.size() && std::isfinite(count);
        if (!is_number || count < 0.01 || count > most_processors)
            refuse_value("--cpus", text, "no number of processors", "write it as in 1.5; at least 0.01");
        budget.cpu_quota = static_cast<std::uint64_t>(std::llround(count * static_cast<double>(budget.cpu_period)));
    }
    if (flags.cpu_period && !flags.cpu_quota) throw Error(ErrorKind::usage, "--cpu-period: needs --cpu-quota as well");
    if (flags.cpu_period)
        budget.cpu_period = number_between(*flags.cpu_period, "--cpu-period", least_period, most_period);
    if (flags.cpu_quota)
        budget.cpu_quota = number_between(*flags.cpu_quota, "--cpu-quota", least_quota, std::uint64_t{1} << 43);
    if (flags.cpu_shares)
        budget.cpu_shares = number_between(*flags.cpu_shares, "--cpu-shares", least_shares, most_shares);
}

// "0-2,4": whether there are such processors, the kernel says.
std::string read_list(const std::optional<std::string>& text, std::string_view flag) {
    if (!text) return {};
    const auto is_range = [](std::string_view part) {
        const std::size_t dash = part.find('-');
        const auto is_number = [](std::string_view digits) { return parse_unsigned(digits).has_value(); };
        return dash == std::string_view::npos ? is_number(part)
                                              : is_number(part.substr(0, dash)) && is_number(part.substr(dash + 1));
    };
    if (!std::ranges::all_of(split(*text, ','), is_range))
        refuse_value(flag, *text, "no list of numbers", "write it as in 0-2,4");
    return *text;
}

}  // namespace

void read_limits(builder::RunSettings& settings, const LimitFlags& flags) {
    builder::ResourceBudget& budget = settings.budget;
    read_memory(budget, flags);
    read_processors(budget, flags);
    budget.processors = read_list(flags.cpuset_cpus, "--cpuset-cpus");
    budget.memory_nodes = read_list(flags.cpuset_mems, "--cpuset-mems");
    if (flags.pids && *flags.pids != "-1" && *flags.pids != "0")
        budget.processes = number_between(*flags.pids, "--pids-limit", 1, std::uint64_t{1} << 22);
    if (flags.cgroup_parent) {
        if (!ImagePath::parse_strict(*flags.cgroup_parent) || flags.cgroup_parent->empty())
            refuse_value("--cgroup-parent", *flags.cgroup_parent, "no path of a cgroup",
                         "name it from the root of its hierarchy, as in /builds");
        budget.parent = *flags.cgroup_parent;
    }
    if (flags.step_timeout) {
        const std::int64_t seconds = parse_seconds(*flags.step_timeout, "--step-timeout");
        if (seconds == 0) refuse_value("--step-timeout", *flags.step_timeout, "less than a second");
        settings.timeout_milliseconds = static_cast<std::uint64_t>(seconds) * 1000;
    }
}

}  // namespace imgbuild::cli
