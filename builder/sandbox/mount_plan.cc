// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/mount_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr MountFlags sealed{.no_suid = true, .no_dev = true, .no_exec = true};
constexpr MountFlags sealed_read_only{.read_only = true, .no_suid = true, .no_dev = true, .no_exec = true};

struct Device {
    std::string_view name;
    std::uint32_t major, minor;
};
constexpr std::array devices{Device{"null", 1, 3},   Device{"zero", 1, 5},    Device{"full", 1, 7},
                             Device{"random", 1, 8}, Device{"urandom", 1, 9}, Device{"tty", 5, 0}};

constexpr std::array dev_links{std::pair("fd", "/proc/self/fd"), std::pair("stdin", "/proc/self/fd/0"),
                               std::pair("stdout", "/proc/self/fd/1"), std::pair("stderr", "/proc/self/fd/2")};

// What says too much of the host or lets one change it: the paths that Docker hides and protects.
constexpr std::array masked{"/proc/acpi",        "/proc/asound",  "/proc/interrupts",
                            "/proc/kcore",       "/proc/keys",    "/proc/latency_stats",
                            "/proc/sched_debug", "/proc/scsi",    "/proc/timer_list",
                            "/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap"};
constexpr std::array protected_paths{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

ImagePath at(std::string_view path) { return ImagePath::clean(path); }

void add_sys(MountPlan& plan, const RunSpec& spec, const MountFeatures& features) {
    MountFlags flags = spec.security == SecurityMode::insecure ? sealed : sealed_read_only;
    // A new sysfs may be mounted only by who owns the network namespace it shows; and as with /proc, who masks parts of
    // the one around allows no new one.
    if (features.user_namespace && (!has_own_network(spec.network) || !spec.own_processes)) {
        plan.push_back(BindHost{"/sys", at("/sys"), sealed_read_only, true});
        plan.push_back(Mask{at("/sys/fs/cgroup")});
        return;
    }
    plan.push_back(MountNew{"sysfs", at("/sys"), {}, flags, true});
    // A version 1 hierarchy has a release_agent, which runs programs on the host: none is mounted.
    if (features.cgroup2) plan.push_back(MountNew{"cgroup2", at("/sys/fs/cgroup"), {}, sealed_read_only, true});
}

MakeLink link_in_dev(std::string_view name, std::string target) { return {at("/dev").child(name), std::move(target)}; }

void add_dev(MountPlan& plan, const RunSpec& spec, const MountFeatures& features) {
    // A RUN may make device nodes, which are part of images, but none of them opens the host's disk.
    MountFlags flags{.no_suid = true, .no_dev = spec.security == SecurityMode::sandbox};
    plan.push_back(MountNew{"tmpfs", at("/dev"), {{"mode", "755"}, {"size", "65536k"}}, flags, true});
    for (const Device& device : devices) {
        ImagePath path = at("/dev").child(device.name);
        if (features.user_namespace)
            plan.push_back(BindHost{path.bytes(), path, {.no_suid = true}, false});
        else
            plan.push_back(MakeDevice{path, device.major, device.minor});
    }
    for (const auto& [name, target] : dev_links) plan.push_back(link_in_dev(name, target));
    plan.push_back(link_in_dev("ptmx", "pts/ptmx"));
    for (std::string_view name : {"pts", "shm", "mqueue"}) plan.push_back(MakeDirectory{at("/dev").child(name), 0755});
    MountNew pts{"devpts", at("/dev/pts"), {{"newinstance", ""}, {"ptmxmode", "0666"}, {"mode", "0620"}}, {}, true};
    pts.flags = {.no_suid = true, .no_exec = true};
    if (features.tty_group) pts.options.emplace_back("gid", "5");
    plan.push_back(std::move(pts));
    std::string size = std::to_string(spec.shm_size);
    plan.push_back(MountNew{"tmpfs", at("/dev/shm"), {{"mode", "1777"}, {"size", size}}, sealed, true});
    plan.push_back(MountNew{"mqueue", at("/dev/mqueue"), {}, sealed, true});
}

void add_system_without_mounts(MountPlan& plan) {
    plan.push_back(MountNew{"proc", at("/proc"), {}, {}, true});
    plan.push_back(MountNew{"sysfs", at("/sys"), {{"mode", "555"}}, {}, true});
    plan.push_back(MountNew{"tmpfs", at("/dev"), {{"mode", "755"}}, {}, true});
    for (const Device& device : devices)
        plan.push_back(MakeDevice{at("/dev").child(device.name), device.major, device.minor});
    for (const auto& [name, target] : dev_links) plan.push_back(link_in_dev(name, target));
    plan.push_back(link_in_dev("ptmx", "pts/ptmx"));
    for (std::string_view name : {"pts", "mqueue"}) plan.push_back(MakeDirectory{at("/dev").child(name), 0755});
    plan.push_back(MakeDevice{at("/dev/pts/ptmx"), 5, 2});
    plan.push_back(MountNew{"tmpfs", at("/dev/shm"), {{"mode", "1777"}}, {}, true});
}

void add_system(MountPlan& plan, const RunSpec& spec, const MountFeatures& features) {
    if (spec.own_processes)
        plan.push_back(MountNew{"proc", at("/proc"), {}, sealed, true});
    else
        plan.push_back(BindHost{"/proc", at("/proc"), sealed, true});
    add_sys(plan, spec, features);
    add_dev(plan, spec, features);
    if (spec.security == SecurityMode::insecure) return;
    for (std::string_view path : masked) plan.push_back(Mask{at(path)});
    for (std::string_view path : protected_paths) plan.push_back(Protect{at(path)});
}

void check_target(const ImagePath& target) {
    if (target.is_root() || target == at("/proc") || target.is_below(at("/proc")))
        throw Error(ErrorKind::usage,
                    fmt::format("mount: {}: nothing can be mounted there", printable(target.absolute())),
                    "choose another target= for the --mount of this RUN");
}

// One mount that the Buildfile asked for: its target, and what makes it.
struct Wanted {
    ImagePath target;
    MountPlan operations;
};

// A file written by us and bound at its target.
Wanted file_at(const ImagePath& target, WriteFile file, MountFlags flags) {
    BindStaged bind{"files", ImagePath().child(file.name), target, flags};
    return {target, {std::move(file), std::move(bind)}};
}

void want_trees(std::vector<Wanted>& all, const RunSpec& spec, const MountSources& sources) {
    for (std::size_t i = 0; i < spec.binds.size(); ++i) {
        const BindMount& bind = spec.binds[i];
        std::string stage = fmt::format("bind-{}", i);
        MountFlags flags{.read_only = !bind.writable};
        all.push_back({bind.target,
                       {StackLayers{stage, sources.binds.at(i), bind.writable, true},
                        BindStaged{stage, bind.source, bind.target, flags}}});
    }
    for (std::size_t i = 0; i < spec.caches.size(); ++i) {
        const CacheMount& cache = spec.caches[i];
        MountFlags flags{.read_only = cache.read_only, .no_dev = true};
        all.push_back({cache.target, {BindStaged{fmt::format("cache-{}", i), cache.source, cache.target, flags}}});
    }
    for (const TmpfsMount& tmpfs : spec.tmpfs) {
        MountNew mount{"tmpfs", tmpfs.target, {{"mode", "1777"}}, {.no_suid = true, .no_dev = true}, false};
        if (tmpfs.size > 0) mount.options.emplace_back("size", std::to_string(tmpfs.size));
        all.push_back({tmpfs.target, {std::move(mount)}});
    }
}

void want_files(std::vector<Wanted>& all, const RunSpec& spec) {
    for (std::size_t i = 0; i < spec.secrets.size(); ++i) {
        const SecretMount& secret = spec.secrets[i];
        WriteFile file{fmt::format("secret-{}", i), secret.content, secret.mode, secret.uid, secret.gid, true};
        all.push_back(file_at(secret.target, std::move(file), sealed_read_only));
    }
    for (const SocketMount& socket : spec.sockets)
        all.push_back({socket.target,
                       {SetOwner{socket.host_path, socket.mode, socket.uid, socket.gid},
                        BindHost{socket.host_path, socket.target, sealed_read_only, false}}});
    for (std::size_t i = 0; i < spec.scripts.size(); ++i) {
        const auto& [target, content] = spec.scripts[i];
        MountFlags flags{.read_only = true, .no_suid = true, .no_dev = true};
        all.push_back(file_at(target, WriteFile{fmt::format("script-{}", i), content, 0755, 0, 0}, flags));
    }
}

void want_system_file(std::vector<Wanted>& all, const std::string& name, const std::string& content) {
    ImagePath target = at("/etc").child(name);
    if (std::ranges::any_of(all, [&](const Wanted& other) { return other.target == target; })) return;
    all.push_back({target, {PlaceFile{name, content, target}}});
}

std::string text_of(const MountFlags& flags) {
    std::string text;
    if (flags.read_only) text += " ro";
    if (flags.no_suid) text += " nosuid";
    if (flags.no_dev) text += " nodev";
    if (flags.no_exec) text += " noexec";
    return text;
}

std::string line_of(const StackLayers& op) {
    return fmt::format("stack {} of {}{}", op.stage, fmt::join(op.lower, " "), op.writable ? " writable" : "") +
           (op.no_devices ? " nodev" : "");
}
std::string line_of(const UseAsRoot& op) { return "root " + op.stage; }
std::string line_of(const MountNew& op) {
    std::string text =
        fmt::format("mount {} on {}{}", op.type, printable(op.target.absolute()), op.strict ? " strict" : "");
    for (const auto& [name, value] : op.options)
        text += value.empty() ? " " + name : fmt::format(" {}={}", name, value);
    return text + text_of(op.flags);
}
std::string line_of(const WriteFile& op) {
    return fmt::format("file {} of {} bytes mode {:o} owner {}:{}", op.name, op.content.size(), op.mode, op.uid,
                       op.gid);
}
std::string line_of(const PlaceFile& op) {
    return fmt::format("place {} of {} bytes at {}", op.name, op.content.size(), op.target.absolute());
}
std::string line_of(const BindStaged& op) {
    return fmt::format("bind {}:{} on {}{}", op.stage, printable(op.source.absolute()), printable(op.target.absolute()),
                       text_of(op.flags));
}
std::string line_of(const BindHost& op) {
    return fmt::format("bind host:{} on {}{}{}", printable(op.path), printable(op.target.absolute()),
                       op.recursive ? " recursive" : "", text_of(op.flags));
}
std::string line_of(const SetOwner& op) {
    return fmt::format("own host:{} mode {:o} owner {}:{}", printable(op.path), op.mode, op.uid, op.gid);
}
std::string line_of(const MakeDirectory& op) {
    return fmt::format("directory {} mode {:o}", op.path.absolute(), op.mode);
}
std::string line_of(const MakeLink& op) { return fmt::format("link {} to {}", op.path.absolute(), op.target); }
std::string line_of(const MakeDevice& op) {
    return fmt::format("device {} {}:{}", op.path.absolute(), op.major, op.minor);
}
std::string line_of(const Mask& op) { return "mask " + op.path.absolute(); }
std::string line_of(const Protect& op) { return "protect " + op.path.absolute(); }

}  // namespace

MountPlan plan_mounts(const RunSpec& spec, const MountSources& sources, const MountFeatures& features) {
    bool no_devices = spec.security == SecurityMode::sandbox;
    MountPlan plan;
    if (features.can_mount) {
        plan = {StackLayers{"root", sources.root, true, no_devices}, UseAsRoot{"root"}};
        add_system(plan, spec, features);
    } else {
        add_system_without_mounts(plan);
    }
    std::vector<Wanted> wanted;
    want_trees(wanted, spec, sources);
    want_files(wanted, spec);
    want_system_file(wanted, "resolv.conf", sources.resolv_conf);
    want_system_file(wanted, "hosts", sources.hosts);
    // Parents before what lies below them, whatever the order in the Buildfile.
    std::ranges::stable_sort(wanted, {}, &Wanted::target);
    for (Wanted& mount : wanted) {
        check_target(mount.target);
        std::ranges::move(mount.operations, std::back_inserter(plan));
    }
    return plan;
}

void carry_out(const MountPlan& plan, const std::function<void(const MountOperation&)>& apply) {
    for (const MountOperation& operation : plan) {
        try {
            apply(operation);
        } catch (Error& error) {
            error.add_frame("sandbox: " + std::string(trim(describe({operation}))));
            throw;
        }
    }
}

std::string describe(const MountPlan& plan) {
    std::string text;
    for (const MountOperation& operation : plan)
        text += std::visit([](const auto& op) { return line_of(op); }, operation) + "\n";
    return text;
}

}  // namespace imgbuild::builder
