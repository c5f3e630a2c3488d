// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/confine.h"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

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

void filter_system_calls() {
#if defined(__x86_64__)
    const auto& filter = seccomp::filter_x86_64;
#elif defined(__aarch64__)
    const auto& filter = seccomp::filter_aarch64;
#else
#error "no system call filter for this architecture: add it to seccomp/generate.cc"
#endif
    sock_fprog program{static_cast<unsigned short>(std::size(filter)), const_cast<sock_filter*>(filter)};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) throw_errno("load", "the system call filter");
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

void set_limits(const std::vector<ResourceLimit>& limits) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_max = std::min(files.rlim_max, open_files_hard);
    files.rlim_cur = std::min(files.rlim_max, open_files_soft);
    ::setrlimit(RLIMIT_NOFILE, &files);
    rlimit core{};
    ::getrlimit(RLIMIT_CORE, &core);
    core.rlim_cur = 0;
    ::setrlimit(RLIMIT_CORE, &core);
    for (const ResourceLimit& limit : limits) raise_limit(limit);
}

void take_identity(const Credentials& credentials, SecurityMode security) {
    bool confined = security == SecurityMode::sandbox;
    std::vector<gid_t> groups(credentials.groups.begin(), credentials.groups.end());
    if (::setgroups(groups.size(), groups.data()) < 0) throw_errno("set", "supplementary groups");
    if (::setresgid(credentials.gid, credentials.gid, credentials.gid) < 0)
        throw_errno("set group", std::to_string(credentials.gid));
    if (confined) {
        bound_capabilities(default_capabilities);
        filter_system_calls();  // needs the capability to administer, which goes below
    }
    if (::setresuid(credentials.uid, credentials.uid, credentials.uid) < 0)
        throw_errno("set user", std::to_string(credentials.uid));
    if (confined && credentials.uid == 0) set_capabilities(default_capabilities);
}

void close_scopes() {
    constexpr long create_ruleset = 444, restrict_self = 446;
    constexpr unsigned version_query = 1;
    constexpr long first_with_scopes = 6;
    constexpr std::uint64_t abstract_sockets = 1, signals = 2;
    struct {
        std::uint64_t files = 0, network = 0, scoped = abstract_sockets | signals;
    } rules;
    if (::syscall(create_ruleset, nullptr, 0, version_query) < first_with_scopes) return;
    Fd ruleset(static_cast<int>(::syscall(create_ruleset, &rules, sizeof rules, 0)));
    if (!ruleset || ::syscall(restrict_self, ruleset.get(), 0) < 0) throw_errno("close", "the scopes of the host");
}

void drop_all_capabilities() { set_capabilities(0); }

}  // namespace imgbuild::builder
