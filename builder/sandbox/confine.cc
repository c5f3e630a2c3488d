// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/confine.h"

#include <fmt/format.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/fd.h"
#include "builder/sandbox/seccomp_filter.h"

namespace imgbuild::builder {
namespace {

struct NamedLimit {
    std::string_view name;
    int resource;
};
constexpr std::array named_limits{NamedLimit{"as", RLIMIT_AS},
                                  NamedLimit{"core", RLIMIT_CORE},
                                  NamedLimit{"cpu", RLIMIT_CPU},
                                  NamedLimit{"data", RLIMIT_DATA},
                                  NamedLimit{"fsize", RLIMIT_FSIZE},
                                  NamedLimit{"locks", RLIMIT_LOCKS},
                                  NamedLimit{"memlock", RLIMIT_MEMLOCK},
                                  NamedLimit{"msgqueue", RLIMIT_MSGQUEUE},
                                  NamedLimit{"nice", RLIMIT_NICE},
                                  NamedLimit{"nofile", RLIMIT_NOFILE},
                                  NamedLimit{"nproc", RLIMIT_NPROC},
                                  NamedLimit{"rss", RLIMIT_RSS},
                                  NamedLimit{"rtprio", RLIMIT_RTPRIO},
                                  NamedLimit{"rttime", RLIMIT_RTTIME},
                                  NamedLimit{"sigpending", RLIMIT_SIGPENDING},
                                  NamedLimit{"stack", RLIMIT_STACK}};

// A soft limit that programs of old survive which close every number up to it, and a hard one that is enough.
constexpr rlim_t open_files_soft = 1024;
constexpr rlim_t open_files_hard = 1048576;

std::uint64_t own_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (::syscall(SYS_capget, &header, data.data()) < 0) throw_errno("get", "capabilities");
    return data[0].permitted | std::uint64_t{data[1].permitted} << 32;
}

void set_capabilities(std::uint64_t mask) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    for (std::size_t half = 0; half < data.size(); ++half) {
        auto bits = static_cast<std::uint32_t>(mask >> (32 * half));
        data[half] = {bits, bits, 0};
    }
    if (::syscall(SYS_capset, &header, data.data()) < 0) throw_errno("set", "capabilities");
}

void bound_capabilities(std::uint64_t mask) {
    for (unsigned long capability = 0; capability < 64; ++capability) {
        if ((mask >> capability & 1) != 0) continue;
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) return;  // beyond the last one that the kernel knows
        throw_errno("bound", "capabilities");
    }
}

void load_filter(const sock_filter* steps, std::size_t count) {
    sock_fprog program{static_cast<unsigned short>(count), const_cast<sock_filter*>(steps)};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) throw_errno("load", "the system call filter");
}

void filter_system_calls() {
#if defined(__x86_64__)
    const auto& filter = seccomp::filter_x86_64;
#elif defined(__aarch64__)
    const auto& filter = seccomp::filter_aarch64;
#else
#error "no system call filter for this architecture: add it to seccomp/generate.cc"
#endif
    load_filter(filter, std::size(filter));
}

// The rules of Landlock, as its system calls take them.
struct LandlockRules {
    std::uint64_t files = 0;
    std::uint64_t network = 0;
    std::uint64_t scoped = 0;
};
constexpr long landlock_create = 444, landlock_add = 445, landlock_restrict = 446;
constexpr std::uint64_t abstract_sockets = 1, signals = 2;

// The version of Landlock; below 1 where there is none.
long landlock_version() { return ::syscall(landlock_create, nullptr, 0, 1U); }

std::uint64_t scopes_of(long version) { return version >= 6 ? abstract_sockets | signals : 0; }

// All that can be done with files; without REFER, which came second, nothing could be moved.
std::uint64_t file_accesses_of(long version) {
    constexpr std::array<unsigned, 6> bits{0, 0, 14, 15, 15, 16};  // by version
    if (version < 2) return 0;
    return (std::uint64_t{1} << bits[static_cast<std::size_t>(std::min(version, 5L))]) - 1;
}

void restrict_self(const LandlockRules& rules, int root) {
    Fd ruleset(static_cast<int>(::syscall(landlock_create, &rules, sizeof rules, 0)));
    if (!ruleset) throw_errno("make", "the rules of Landlock");
    if (rules.files != 0) {
        struct [[gnu::packed]] {
            std::uint64_t accesses;
            std::int32_t below;
        } beneath{rules.files, root};
        if (::syscall(landlock_add, ruleset.get(), 1, &beneath, 0) < 0) throw_errno("make", "the rules of Landlock");
    }
    if (::syscall(landlock_restrict, ruleset.get(), 0) < 0) throw_errno("close", "the scopes of the host");
}

void raise_limit(const ResourceLimit& limit) {
    int resource = resource_of(limit.name);
    if (resource < 0) throw Error(ErrorKind::usage, fmt::format("set limit: {}: no such limit", limit.name));
    rlimit value{limit.soft, limit.hard};
    if (::setrlimit(static_cast<__rlimit_resource_t>(resource), &value) < 0)
        throw_errno("set limit", fmt::format("{}={}:{}", limit.name, limit.soft, limit.hard));
}

}  // namespace

int resource_of(std::string_view name) noexcept {
    for (const NamedLimit& limit : named_limits)
        if (limit.name == name) return limit.resource;
    return -1;
}

void set_limits(const std::vector<ResourceLimit>& limits, Identity identity) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_max = std::min(files.rlim_max, open_files_hard);
    files.rlim_cur = std::min(files.rlim_max, open_files_soft);
    ::setrlimit(RLIMIT_NOFILE, &files);
    rlimit core{};
    ::getrlimit(RLIMIT_CORE, &core);
    core.rlim_cur = 0;
    ::setrlimit(RLIMIT_CORE, &core);
    for (const ResourceLimit& limit : limits)
        if (identity == Identity::taken || resource_of(limit.name) != RLIMIT_LOCKS) raise_limit(limit);
}

void take_identity(const Credentials& credentials, SecurityMode security, Identity identity) {
    const bool confined = security == SecurityMode::sandbox;
    const bool taken = identity == Identity::taken;
    std::vector<gid_t> groups(credentials.groups.begin(), credentials.groups.end());
    if (taken && ::setgroups(groups.size(), groups.data()) < 0) throw_errno("set", "supplementary groups");
    if (taken && ::setresgid(credentials.gid, credentials.gid, credentials.gid) < 0)
        throw_errno("set group", std::to_string(credentials.gid));
    if (confined) {
        bound_capabilities(default_capabilities);
        filter_system_calls();  // needs the capability to administer, which goes below
    }
    if (taken && ::setresuid(credentials.uid, credentials.uid, credentials.uid) < 0)
        throw_errno("set user", std::to_string(credentials.uid));
    if (confined && (credentials.uid == 0 || !taken)) set_capabilities(default_capabilities & own_capabilities());
}

void close_scopes() {
    if (const std::uint64_t scopes = scopes_of(landlock_version())) restrict_self({.scoped = scopes}, -1);
}

void keep_below(int root) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) throw_errno("give up", "new privileges");
    const long version = landlock_version();
    const LandlockRules rules{.files = file_accesses_of(version), .scoped = scopes_of(version)};
    if (rules.files != 0) restrict_self(rules, root);
}

void close_network() {
    constexpr std::uint32_t number_offset = 0, arch_offset = 4, first_argument_offset = 16, x32_bit = 0x40000000;
    constexpr std::uint32_t refused = SECCOMP_RET_ERRNO | EAFNOSUPPORT;
#if defined(__x86_64__)
    constexpr std::uint32_t own_arch = AUDIT_ARCH_X86_64;
#else
    constexpr std::uint32_t own_arch = AUDIT_ARCH_AARCH64;
#endif
    // Families that lead nowhere: AF_UNIX, and AF_NETLINK, which only tells. What another architecture asks for cannot
    // be told apart so easily: it has no sockets at all (socketcall and socket of i386, socket of arm).
    constexpr sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arch_offset),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, own_arch, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number_offset),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~x32_bit),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 7),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, first_argument_offset),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 4, 5),
        // another architecture
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number_offset),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 102, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 359, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 281, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, refused),
    };
    load_filter(filter, std::size(filter));
}

void drop_all_capabilities() { set_capabilities(0); }

void keep_killing_capability() { set_capabilities((std::uint64_t{1} << CAP_KILL) & own_capabilities()); }

void keep_answering_capabilities() {
    std::uint64_t kept = 0;
    for (const int capability : {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP,
                                 CAP_SYS_CHROOT, CAP_SYS_PTRACE})
        kept |= std::uint64_t{1} << capability;
    set_capabilities(kept & own_capabilities());
}

}  // namespace imgbuild::builder
