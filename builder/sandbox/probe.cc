// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/directory.h"
#include "base/error.h"
#include "base/process.h"
#include "base/temporary_directory.h"
#include "base/text.h"
#include "builder/sandbox/id_maps.h"
#include "builder/sandbox/sandbox.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

struct NamedMode {
    std::string_view name;
    RootMode mode;
};
constexpr std::array named_modes{NamedMode{"root", RootMode::root}, NamedMode{"userns", RootMode::userns},
                                 NamedMode{"single", RootMode::single}, NamedMode{"chroot", RootMode::chroot},
                                 NamedMode{"emulated", RootMode::emulated}};

constexpr std::uint64_t small_file = 1 << 20;
constexpr int command_not_found = 127;

// The content of a small file of the host; empty when it cannot be read.
std::string host_file(const std::string& folder, const std::string& name) {
    try {
        return Directory::open_host(folder).read_file(ImagePath().child(name), small_file);
    } catch (const Error&) {
        return {};
    }
}

std::string user_name(std::uint32_t uid) {
    std::string passwd = host_file("/etc", "passwd");
    for (std::string_view line : split(passwd, '\n')) {
        auto fields = split(line, ':');
        if (fields.size() > 2 && parse_unsigned(fields[2]) == uid) return std::string(fields[0]);
    }
    return {};
}

// Of each kind that keeps a foreign owner in a way of its own.
void add_owned(std::vector<layerstore::Change>& changes) {
    layerstore::Entry owned;
    owned.kind = layerstore::EntryKind::symlink;
    owned.uid = owned.gid = 1;
    owned.link_target = "nowhere";
    changes.push_back({ImagePath().child("link"), layerstore::ChangeKind::put, owned});
    owned.kind = layerstore::EntryKind::directory;
    owned.link_target.clear();
    changes.push_back({ImagePath().child("owned"), layerstore::ChangeKind::put, owned});
}

// Everything that a RUN needs, done once: layers with a removal and an opaque directory, all mounts, all
// namespaces, the filter. There is no command in the image, so "not found" is the good answer.
void try_run(const Rung& rung, const std::string& scratch_directory) {
    using namespace layerstore;
    TemporaryDirectory place = TemporaryDirectory::create_in(Directory::open_host(scratch_directory));
    auto sandbox = make_sandbox(rung, place.path());
    Entry directory;
    directory.kind = EntryKind::directory;
    directory.mode = 0755;
    ImagePath opaque = ImagePath().child("opaque");
    std::vector<Change> changes{{ImagePath(), ChangeKind::put, directory},
                                {opaque, ChangeKind::empty, directory},
                                {ImagePath().child("removed"), ChangeKind::remove, {}}};
    if (rung.mode == RootMode::single) add_owned(changes);
    const TreeDelta delta = TreeDelta::build(std::move(changes));
    ContentSources nothing;
    MemoryWriter tar;
    write_layer(delta, nothing, tar);
    MemoryReader reader(tar.bytes());
    sandbox->materialise(delta.id(), reader);
    RunSpec spec;
    spec.layers = {delta.id()};
    spec.arguments = {"/probe"};
    spec.network = NetworkMode::none;
    Fd log(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    auto result = sandbox->run(spec, log);
    if (result->status().code != command_not_found)
        throw Error(ErrorKind::unsupported, "a trial run ended unexpectedly");
    sandbox->remove(delta.id());
}

void refuse(Rung& rung, std::string reason, std::string remedy = {}) {
    rung.works = false;
    rung.reason = std::move(reason);
    rung.remedy = std::move(remedy);
}

bool is_overlay(const std::string& folder) {
    struct statfs status {};
    return ::statfs(folder.c_str(), &status) == 0 && status.f_type == OVERLAYFS_SUPER_MAGIC;
}

MachineSwitches read_switches() {
    auto line = [](const std::string& folder, const std::string& name) {
        return std::string(trim(host_file(folder, name)));
    };
    return {.max_user_namespaces = line("/proc/sys/user", "max_user_namespaces"),
            .unprivileged_clone = line("/proc/sys/kernel", "unprivileged_userns_clone"),
            .apparmor = line("/proc/sys/kernel", "apparmor_restrict_unprivileged_userns"),
            .filtered = host_file("/proc/self", "status").find("\nSeccomp:\t2") != std::string::npos,
            .proc_masked = masks_proc(host_file("/proc/self", "mountinfo"))};
}

// With the /proc of the container around, where that is what a trial before lacked.
void try_sharing_processes(Rung& rung, const std::string& scratch_directory) {
    Rung sharing = rung;
    sharing.shares_processes = true;
    try {
        try_run(sharing, scratch_directory);
    } catch (const Error&) {
        return;
    }
    sharing.works = true;
    rung = std::move(sharing);
}

void try_rung(Rung& rung, const std::string& scratch_directory) {
    try {
        try_run(rung, scratch_directory);
        rung.works = true;
    } catch (const Error& error) {
        MachineSwitches switches = read_switches();
        switches.store_is_overlay = is_overlay(scratch_directory);
        explain_refusal(rung, error, switches);
        if (is_proc_refused(error, switches)) try_sharing_processes(rung, scratch_directory);
    }
}

std::string grant_line(const std::string& user) {
    return fmt::format("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}", user);
}

Rung probe_root(const std::string& scratch_directory) {
    Rung rung{.mode = RootMode::root};
    if (::geteuid() != 0)
        refuse(rung, "this is not root", "sudo imgbuild …");
    else
        try_rung(rung, scratch_directory);
    return rung;
}

// Root wherever it is, also where it may neither mount nor make a namespace.
Rung probe_chroot(const std::string& scratch_directory) {
    Rung rung{.mode = RootMode::chroot};
    if (::geteuid() != 0)
        refuse(rung, "this is not root");
    else
        try_rung(rung, scratch_directory);
    return rung;
}

Rung probe_userns(const std::string& scratch_directory) {
    Rung rung{.mode = RootMode::userns};
    std::uint32_t uid = ::geteuid();
    std::string user = user_name(uid);
    std::string shown = user.empty() ? std::to_string(uid) : user;
    auto users = parse_subordinate_ids(host_file("/etc", "subuid"), uid, user);
    auto groups = parse_subordinate_ids(host_file("/etc", "subgid"), uid, user);
    if (users.empty() || groups.empty()) {
        refuse(rung,
               fmt::format("no subordinate ids for {} in {}", shown, users.empty() ? "/etc/subuid" : "/etc/subgid"),
               grant_line(shown));
        return rung;
    }
    rung.uid_map = rootless_map(uid, users);
    rung.gid_map = rootless_map(::getegid(), groups);
    for (const char* program : {"newuidmap", "newgidmap"}) {
        if (uid == 0 || find_program(program)) continue;
        refuse(rung, fmt::format("{} is not installed", program), "apt-get install uidmap");
        return rung;
    }
    try_rung(rung, scratch_directory);
    return rung;
}

// Whoever may make a user namespace is its only id.
Rung probe_single(const std::string& scratch_directory) {
    Rung rung{.mode = RootMode::single};
    rung.uid_map = {{0, ::geteuid(), 1}};
    rung.gid_map = {{0, ::getegid(), 1}};
    try_rung(rung, scratch_directory);
    return rung;
}

// Rungs that this version does not have; what they are for stands in docs/security.md.
Rung absent(RootMode mode, std::string_view what) {
    Rung rung{.mode = mode};
    refuse(rung, fmt::format("{}: not in this version", what));
    return rung;
}

Rung probe_rung(RootMode mode, const std::string& scratch_directory) {
    switch (mode) {
        case RootMode::root: return probe_root(scratch_directory);
        case RootMode::userns: return probe_userns(scratch_directory);
        case RootMode::single: return probe_single(scratch_directory);
        case RootMode::chroot: return probe_chroot(scratch_directory);
        case RootMode::emulated: return absent(mode, "no privilege at all");
    }
    return absent(mode, "unknown");
}

std::string describe_user_namespaces(const MachineSwitches& switches) {
    if (switches.max_user_namespaces.empty()) return "none in this kernel";
    std::string text = switches.max_user_namespaces + " at most";
    if (switches.unprivileged_clone == "0") text += "; root only (kernel.unprivileged_userns_clone)";
    if (switches.apparmor == "1") text += "; without rights for most programs (AppArmor)";
    return text;
}

std::string weakness_of_mode(const Rung& rung) {
    if (rung.mode == RootMode::single)
        return "commands run as one id, what they ask about owners is answered: no access is refused to another user of "
               "the image (imgbuild doctor says what is in the way)";
    if (rung.mode != RootMode::chroot) return {};
    return "commands are isolated from this machine by a chroot only: it is no better than the container around "
           "(imgbuild doctor says what is in the way)";
}

std::string yes_or_errno(bool works) {
    int problem = errno;
    return works ? "yes" : fmt::format("no ({})", strerrordesc_np(problem));
}

}  // namespace

std::string_view name_of(RootMode mode) noexcept {
    for (const NamedMode& named : named_modes)
        if (named.mode == mode) return named.name;
    return "unknown";
}

std::optional<RootMode> root_mode_from_name(std::string_view name) noexcept {
    for (const NamedMode& named : named_modes)
        if (named.name == name) return named.mode;
    return std::nullopt;
}

bool is_proc_refused(const Error& error, const MachineSwitches& switches) {
    return switches.proc_masked && error.full_message().find("mount proc on /proc") != std::string::npos;
}

void explain_refusal(Rung& rung, const Error& error, const MachineSwitches& switches) {
    bool by_user = rung.mode == RootMode::userns || rung.mode == RootMode::single;
    if (by_user && switches.max_user_namespaces == "0")
        return refuse(rung, "user namespaces are switched off (user.max_user_namespaces is 0)",
                      "sysctl user.max_user_namespaces=15000");
    if (by_user && switches.unprivileged_clone == "0")
        return refuse(rung, "user namespaces are for root only (kernel.unprivileged_userns_clone is 0)",
                      "sysctl kernel.unprivileged_userns_clone=1");
    if (by_user && switches.apparmor == "1")
        return refuse(rung,
                      "AppArmor gives no rights in user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)",
                      "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile for imgbuild");
    const std::string message = error.full_message();
    if (is_proc_refused(error, switches))
        return refuse(rung, "parts of /proc are masked here, so the kernel allows no new one: this is a container",
                      "start the container with --security-opt systempaths=unconfined (podman: unmask=ALL)");
    if (switches.store_is_overlay && rung.mode != RootMode::chroot)
        return refuse(rung, "the store lies on an overlay file system, and the kernel stacks no other one on it",
                      "--store DIR (or IMGBUILD_STORE) on another file system: a volume of the container, for example");
    if (message.find("intercept: system calls") != std::string::npos)
        return refuse(rung,
                      "another program answers system calls here already (seccomp user notification), and the kernel "
                      "allows one",
                      "start imgbuild outside of that program");
    std::string where = switches.filtered ? " (a system call filter is active: is this a container?)" : "";
    refuse(rung, message + where, error.hint());
}

bool masks_proc(std::string_view mount_table) {
    constexpr std::size_t place = 4;
    for (std::string_view line : split(mount_table, '\n')) {
        auto fields = split(line, ' ');
        // What systemd mounts on the automount point of binfmt_misc hides nothing.
        if (fields.size() > place && fields[place].starts_with("/proc/") &&
            !fields[place].starts_with("/proc/sys/fs/binfmt_misc"))
            return true;
    }
    return false;
}

std::vector<Rung> probe_rungs(const std::string& scratch_directory) {
    std::vector<Rung> rungs;
    for (const NamedMode& named : named_modes) rungs.push_back(probe_rung(named.mode, scratch_directory));
    return rungs;
}

Rung choose_rung(const std::vector<Rung>& rungs, std::optional<RootMode> wanted) {
    std::string reasons;
    std::string remedy;
    for (const Rung& rung : rungs) {
        if (wanted && rung.mode != *wanted) continue;
        if (rung.works) return rung;
        reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", name_of(rung.mode), rung.reason);
        if (remedy.empty() || rung.mode == RootMode::userns) remedy = rung.remedy.empty() ? remedy : rung.remedy;
    }
    std::string what = wanted ? "this isolation does not work here" : "no isolation works here";
    throw Error(ErrorKind::unsupported, fmt::format("run a command: {}: {}", what, reasons), remedy);
}

Rung find_rung(const std::string& scratch_directory, std::optional<RootMode> wanted) {
    std::vector<Rung> probed;
    for (const NamedMode& named : named_modes) {
        if (wanted && named.mode != *wanted) continue;
        probed.push_back(probe_rung(named.mode, scratch_directory));
        if (probed.back().works) return probed.back();
    }
    return choose_rung(probed, wanted);
}

std::string weakness_of(const Rung& rung) {
    std::string weakness = weakness_of_mode(rung);
    if (rung.shares_processes)
        weakness += fmt::format(
            "{}commands see the processes of the container around, which masks its /proc (imgbuild doctor "
            "says what opens it)",
            weakness.empty() ? "" : "; ");
    return weakness;
}

std::vector<std::pair<std::string, std::string>> kernel_features() {
    std::vector<std::pair<std::string, std::string>> features;
    utsname name{};
    ::uname(&name);
    features.emplace_back("kernel", name.release);
    Fd overlay(::fsopen("overlay", FSOPEN_CLOEXEC));
    features.emplace_back("overlay", yes_or_errno(static_cast<bool>(overlay)));
    bool by_one = overlay && ::fsconfig(overlay.get(), FSCONFIG_SET_STRING, "lowerdir+", "/", 0) == 0;
    features.emplace_back("overlay layers one by one", yes_or_errno(by_one));
    long landlock = ::syscall(444 /* landlock_create_ruleset */, nullptr, 0, 1);
    features.emplace_back("landlock", landlock > 0 ? fmt::format("yes (version {})", landlock) : yes_or_errno(false));
    struct statfs status {};
    bool unified = ::statfs("/sys/fs/cgroup", &status) == 0 && status.f_type == 0x63677270;
    features.emplace_back("cgroup", unified ? "version 2" : "version 1 or none");
    const MachineSwitches switches = read_switches();
    features.emplace_back("user namespaces", describe_user_namespaces(switches));
    features.emplace_back("system call filter", switches.filtered ? "yes, of an outer container or service" : "none");
    features.emplace_back("/proc", switches.proc_masked ? "parts are masked: this is a container" : "whole");
    return features;
}

std::vector<IdRange> parse_subordinate_ids(std::string_view file_content, std::uint32_t uid, std::string_view user) {
    std::vector<IdRange> ranges;
    for (std::string_view line : split(file_content, '\n')) {
        auto fields = split(trim(line), ':');
        if (fields.size() != 3) continue;
        bool ours = (!user.empty() && fields[0] == user) || parse_unsigned(fields[0]) == uid;
        auto first = parse_unsigned(fields[1]);
        auto count = parse_unsigned(fields[2]);
        constexpr std::uint64_t limit = 0xffffffff;
        if (!ours || !first || !count || *count == 0 || *first > limit || *count > limit || *first + *count > limit)
            continue;
        ranges.push_back({0, static_cast<std::uint32_t>(*first), static_cast<std::uint32_t>(*count)});
    }
    return ranges;
}

}  // namespace imgbuild::builder
