// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <set>

#include "base/error.h"
#include "base/image_path.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr std::uint64_t any_swap = ~std::uint64_t{0};
constexpr std::uint64_t table_limit = 16 << 20;
constexpr std::string_view group_prefix = "imgbuild-";
// A process that was killed leaves its group a moment after it is reaped.
constexpr int removal_attempts = 200;

std::string host_text(const std::string& path, const std::string& otherwise = {}) {
    try {
        const std::size_t slash = path.rfind('/');
        return Directory::open_host(path.substr(0, slash))
            .read_file(ImagePath().child(path.substr(slash + 1)), table_limit);
    } catch (const Error&) {
        return otherwise;
    }
}

std::string reason_of(int problem) { return strerrordesc_np(problem) ? strerrordesc_np(problem) : "unknown error"; }

// What keeps `value` from being written there; empty when it was.
std::string try_write(const std::string& path, std::string_view value) {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file && ::write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size())) return {};
    return reason_of(errno);
}

std::set<std::string, std::less<>> words_of(const std::string& text) {
    std::set<std::string, std::less<>> words;
    for (const std::string_view line : split(text, '\n'))
        for (const std::string_view word : split(line, ' '))
            if (!word.empty()) words.emplace(word);
    return words;
}

// The number behind `name` in a file of lines "name number".
std::uint64_t number_in(const std::string& path, std::string_view name) {
    const std::string text = host_text(path);
    for (const std::string_view line : split(text, '\n'))
        if (line.starts_with(name) && line.substr(name.size()).starts_with(' '))
            return parse_unsigned(trim(line.substr(name.size()))).value_or(0);
    return 0;
}

std::string options_of(std::span<const CgroupSetting> settings) {
    std::vector<std::string_view> options;
    for (const CgroupSetting& setting : settings)
        if (std::ranges::find(options, setting.option) == options.end()) options.push_back(setting.option);
    return fmt::format("{}", fmt::join(options, ", "));
}

// Of the controllers that `settings` need, those that are not in `available`.
std::vector<std::string_view> missing_of(std::span<const CgroupSetting> settings,
                                         const std::set<std::string, std::less<>>& available) {
    std::vector<std::string_view> missing;
    for (const CgroupSetting& setting : settings)
        if (!available.contains(setting.controller) && std::ranges::find(missing, setting.controller) == missing.end())
            missing.push_back(setting.controller);
    return missing;
}

// True if `directory` of version 2 gives its children what `settings` need, made so where that is possible.
bool passes_on(const std::string& directory, std::span<const CgroupSetting> settings) {
    if (!missing_of(settings, words_of(host_text(directory + "/cgroup.controllers"))).empty()) return false;
    const std::string control = directory + "/cgroup.subtree_control";
    for (const std::string_view controller : missing_of(settings, words_of(host_text(control))))
        if (!try_write(control, fmt::format("+{}", controller)).empty()) return false;
    return true;
}

std::string own_group_name() { return fmt::format("{}{}-{}", group_prefix, ::getpid(), random_name()); }

// Takes away what killed builds left: empty groups whose maker is gone.
void sweep_groups(const std::string& parent) {
    try {
        const Directory directory = Directory::open_host(parent);
        for (const std::string& name : directory.list()) {
            if (!name.starts_with(group_prefix)) continue;
            const std::string_view rest = std::string_view(name).substr(group_prefix.size());
            const auto maker = parse_unsigned(rest.substr(0, rest.find('-')));
            if (maker && ::kill(static_cast<pid_t>(*maker), 0) < 0 && errno == ESRCH)
                ::unlinkat(directory.fd(), name.c_str(), AT_REMOVEDIR);
        }
    } catch (const Error&) {
        // They cost nothing.
    }
}

// In version 1 a new group has no processors and no memory until it is told.
void inherit_cpuset(const std::string& parent, const std::string& group) {
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) try_write(group + file, host_text(parent + file));
}

}  // namespace

std::vector<CgroupSetting> cgroup_settings(const ResourceBudget& budget, bool unified) {
    std::vector<CgroupSetting> settings;
    auto add = [&](std::string_view controller, std::string_view file, std::string value, std::string_view option,
                   bool is_optional = false) {
        settings.push_back({controller, file, std::move(value), option, is_optional});
    };
    if (budget.memory != 0) {
        add("memory", unified ? "memory.max" : "memory.limit_in_bytes", fmt::format("{}", budget.memory), "--memory");
        const std::uint64_t both =
            budget.memory_and_swap.value_or(budget.memory > any_swap / 2 ? any_swap : 2 * budget.memory);
        const std::string none = unified ? "max" : "-1";
        add("memory", unified ? "memory.swap.max" : "memory.memsw.limit_in_bytes",
            both == any_swap ? none : fmt::format("{}", unified ? both - budget.memory : both), "--memory-swap",
            !budget.memory_and_swap);
    }
    if (budget.cpu_quota != 0 && unified)
        add("cpu", "cpu.max", fmt::format("{} {}", budget.cpu_quota, budget.cpu_period), "--cpus");
    if (budget.cpu_quota != 0 && !unified) {
        add("cpu", "cpu.cfs_period_us", fmt::format("{}", budget.cpu_period), "--cpus");
        add("cpu", "cpu.cfs_quota_us", fmt::format("{}", budget.cpu_quota), "--cpus");
    }
    if (budget.cpu_shares != 0 && unified)  // 2 … 262144 onto 1 … 10000, as container engines do it
        add("cpu", "cpu.weight", fmt::format("{}", 1 + (budget.cpu_shares - 2) * 9999 / 262142), "--cpu-shares");
    if (budget.cpu_shares != 0 && !unified)
        add("cpu", "cpu.shares", fmt::format("{}", budget.cpu_shares), "--cpu-shares");
    if (!budget.processors.empty()) add("cpuset", "cpuset.cpus", budget.processors, "--cpuset-cpus");
    if (!budget.memory_nodes.empty()) add("cpuset", "cpuset.mems", budget.memory_nodes, "--cpuset-mems");
    if (budget.processes != 0) add("pids", "pids.max", fmt::format("{}", budget.processes), "--pids-limit");
    return settings;
}

Cgroup::Cgroup(const ResourceBudget& budget)
    : parent_(budget.parent.empty() ? "" : ImagePath::clean(budget.parent).absolute()) {
    if (!budget.is_set()) return;
    const std::vector<CgroupHierarchy> hierarchies = own_cgroup_hierarchies();
    std::vector<CgroupSetting> unified = cgroup_settings(budget, true);
    const std::vector<CgroupSetting> legacy = cgroup_settings(budget, false);
    for (const CgroupHierarchy& hierarchy : hierarchies) {
        if (hierarchy.unified) continue;
        auto is_here = [&](const CgroupSetting& setting) {
            return std::ranges::find(hierarchy.controllers, setting.controller) != hierarchy.controllers.end();
        };
        std::vector<CgroupSetting> settings;
        std::ranges::copy_if(legacy, std::back_inserter(settings), is_here);
        std::erase_if(unified, is_here);
        if (!settings.empty()) make_group(hierarchy, settings);
    }
    const auto second = std::ranges::find_if(hierarchies, &CgroupHierarchy::unified);
    const bool wants_parent_only = groups_.empty() && not_enforced_.empty() && unified.empty() && !parent_.empty();
    if (!unified.empty() && second != hierarchies.end())
        make_group(*second, unified);
    else if (!unified.empty())
        refuse(unified, "no control groups are mounted here");
    else if (wants_parent_only)
        for (const CgroupHierarchy& hierarchy : hierarchies) make_group(hierarchy, {});
    if (wants_parent_only && groups_.empty())
        throw Error(ErrorKind::unsupported,
                    fmt::format("--cgroup-parent: {}: no control groups are mounted here", printable(budget.parent)));
}

// A parent that was named is the place or there is none.
void Cgroup::make_group(const CgroupHierarchy& hierarchy, std::span<const CgroupSetting> settings) {
    if (!parent_.empty()) {
        const std::string parent = hierarchy.mount_point + parent_;
        try {
            Directory::create_host(parent);
        } catch (const Error& error) {
            throw Error(ErrorKind::denied, fmt::format("--cgroup-parent: {}", error.message()),
                        "name a cgroup that this user may make groups in, or leave the flag out");
        }
        if (hierarchy.unified && !passes_on(parent, settings))
            throw Error(
                ErrorKind::denied,
                fmt::format("--cgroup-parent: {}: it does not give its groups what {} needs", parent,
                            options_of(settings)),
                "a cgroup with processes of its own cannot; have its cgroup.subtree_control name the controllers");
        const int problem = make_in(parent, hierarchy, settings);
        if (problem != 0) throw_errno("--cgroup-parent: make a cgroup in", parent, problem);
        return;
    }
    if (!hierarchy.unified) {
        const int problem = make_in(hierarchy.own, hierarchy, settings);
        if (problem != 0) refuse(settings, "make a cgroup in " + hierarchy.own + ": " + reason_of(problem));
        return;
    }
    for (const std::string& directory : directories_above(hierarchy)) {
        // A process is moved by who may write to the group that its old and its new one have in common.
        if (::access((directory + "/cgroup.procs").c_str(), W_OK) != 0 || !passes_on(directory, settings)) continue;
        if (make_in(directory, hierarchy, settings) == 0) return;
    }
    refuse(settings, "no cgroup at or above " + hierarchy.own + " is delegated to this user with its controllers");
}

void Cgroup::refuse(std::span<const CgroupSetting> settings, const std::string& why) {
    not_enforced_.push_back(fmt::format("{}: not enforced: {}", options_of(settings), why));
}

int Cgroup::make_in(const std::string& parent, const CgroupHierarchy& hierarchy,
                    std::span<const CgroupSetting> settings) {
    sweep_groups(parent);
    Group group{parent + "/" + own_group_name(), hierarchy.unified, false, Fd()};
    if (::mkdir(group.path.c_str(), 0755) < 0) return errno;
    if (std::ranges::find(hierarchy.controllers, "cpuset") != hierarchy.controllers.end())
        inherit_cpuset(parent, group.path);
    for (const CgroupSetting& setting : settings) {
        if (setting.controller == "memory") group.has_memory = true;
        const std::string why = try_write(fmt::format("{}/{}", group.path, setting.file), setting.value);
        if (!why.empty() && !setting.is_optional)
            refuse(std::span(&setting, 1), fmt::format("{} to {}: {}", setting.value, setting.file, why));
    }
    group.processes = Fd(::open((group.path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!group.processes) {
        const int problem = errno;
        ::rmdir(group.path.c_str());
        return problem;
    }
    groups_.push_back(std::move(group));
    return 0;
}

Cgroup::~Cgroup() {
    for (const Group& group : groups_)
        for (int left = removal_attempts; ::rmdir(group.path.c_str()) < 0 && errno == EBUSY && left > 0; --left)
            ::poll(nullptr, 0, 5);
}

void Cgroup::join() const {
    for (const Group& group : groups_)
        if (::write(group.processes.get(), "0", 1) != 1) throw_errno("join", group.path);
}

std::uint64_t Cgroup::killed_for_memory() const {
    std::uint64_t killed = 0;
    for (const Group& group : groups_)
        if (group.has_memory)
            killed += number_in(group.path + (group.unified ? "/memory.events" : "/memory.oom_control"), "oom_kill");
    return killed;
}

std::uint64_t killed_for_memory_here() { return number_in("/proc/vmstat", "oom_kill"); }

std::vector<std::pair<std::string, std::string>> cgroup_support() {
    std::vector<std::pair<std::string, std::string>> support;
    ResourceBudget probe{.memory = 1ULL << 40, .cpu_quota = 100'000, .processes = 1'000'000};
    for (const std::string_view controller : {"memory", "cpu", "pids"}) {
        ResourceBudget one;
        if (controller == "memory") one.memory = probe.memory;
        if (controller == "cpu") one.cpu_quota = probe.cpu_quota;
        if (controller == "pids") one.processes = probe.processes;
        const Cgroup tried(one);
        std::string answer = "yes";
        if (!tried.not_enforced().empty()) {
            const std::string& line = tried.not_enforced().front();
            constexpr std::string_view between = "not enforced: ";
            answer = "no: " + line.substr(line.find(between) + between.size());
        }
        support.emplace_back(controller, std::move(answer));
    }
    return support;
}

}  // namespace imgbuild::builder
