// SPDX-License-Identifier: Apache-2.0
#include "unpack/confine.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "base/error.h"
#include "base/helper_status.h"

namespace imgbuild::unpack {
namespace {

// A dictionary of xz may take 64 MiB at its usual best and 1.5 GiB at most.
constexpr rlim_t most_memory = rlim_t{1} << 30;

void set_limit(__rlimit_resource_t resource, rlim_t value, const char* name) {
    rlimit limit{value, value};
    if (::setrlimit(resource, &limit) < 0) throw_errno("limit", name);
}

struct FreeFilter {
    void operator()(void* filter) const noexcept { seccomp_release(filter); }
};

constexpr int allowed_calls[] = {
    SCMP_SYS(read),          SCMP_SYS(write),
    SCMP_SYS(writev),        SCMP_SYS(close),
    SCMP_SYS(munmap),        SCMP_SYS(mremap),
    SCMP_SYS(brk),           SCMP_SYS(madvise),
    SCMP_SYS(futex),         SCMP_SYS(exit),
    SCMP_SYS(exit_group),    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),     SCMP_SYS(sched_yield),
    SCMP_SYS(getpid),        SCMP_SYS(gettid),
    SCMP_SYS(tgkill),        SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(fstat),         SCMP_SYS(restart_syscall),
};

bool filter_system_calls() {
    std::unique_ptr<void, FreeFilter> filter(seccomp_init(SCMP_ACT_ERRNO(1)));  // EPERM
    if (!filter) return false;
    for (int call : allowed_calls)
        if (seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0) != 0) return false;
    // Memory may be taken, but never to run what was written there.
    for (int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})
        if (seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0)
            return false;
    return seccomp_load(filter.get()) == 0;
}

}  // namespace

Confinement confine() {
    constexpr unsigned first_foreign = helper_status_fd + 1;
    ::syscall(SYS_close_range, first_foreign, ~0U, 0);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) throw_errno("give up", "privileges");
    set_limit(RLIMIT_CORE, 0, "core dumps");
    set_limit(RLIMIT_FSIZE, 0, "the size of files");
    set_limit(RLIMIT_NOFILE, 0, "open files");
    if (is_sanitized) return {};
    set_limit(RLIMIT_AS, most_memory, "memory");
    return {filter_system_calls()};
}

}  // namespace imgbuild::unpack
