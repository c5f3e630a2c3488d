// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which system calls a RUN may make: what Docker allows a container with its default capabilities, and a little
// less (terminal injection). Everything that is not named fails with EPERM; what is newer than this table
// with ENOSYS, so that programs fall back to what they did before. The build turns the table into filters
// (generate.cc); a test asks the filters for every line of it.

#include <array>
#include <cstdint>
#include <string_view>

namespace imgbuild::builder::seccomp {

inline constexpr std::array allowed{
    // files and directories
    "access", "chdir", "chmod", "chown", "chown32", "chroot", "close", "close_range", "copy_file_range", "creat", "dup",
    "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fadvise64_64", "fallocate", "fchdir", "fchmod", "fchmodat",
    "fchown", "fchown32", "fchownat", "fcntl", "fcntl64", "fdatasync", "flock", "fstat", "fstat64", "fstatat64",
    "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", "futimesat", "getcwd", "getdents", "getdents64",
    "lchown", "lchown32", "link", "linkat", "_llseek", "lseek", "lstat", "lstat64", "mkdir", "mkdirat", "mknod",
    "mknodat", "name_to_handle_at", "newfstatat", "open", "openat", "openat2", "pread64", "preadv", "preadv2",
    "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "rename", "renameat",
    "renameat2", "rmdir", "sendfile", "sendfile64", "splice", "stat", "stat64", "statfs", "statfs64", "statx",
    "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "tee", "truncate", "truncate64", "umask", "unlink",
    "unlinkat", "utime", "utimensat", "utimensat_time64", "utimes", "vmsplice", "write", "writev",
    // extended attributes and notification
    "fanotify_mark", "fgetxattr", "flistxattr", "fremovexattr", "fsetxattr", "getxattr", "inotify_add_watch",
    "inotify_init", "inotify_init1", "inotify_rm_watch", "lgetxattr", "listxattr", "llistxattr", "lremovexattr",
    "lsetxattr", "removexattr", "setxattr",
    // memory
    "brk", "madvise", "memfd_create", "memfd_secret", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mmap2",
    "mprotect", "mremap", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
    "remap_file_pages",
    // processes, threads, credentials
    "capget", "capset", "execve", "execveat", "exit", "exit_group", "fork", "getegid", "getegid32", "geteuid",
    "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getpgid", "getpgrp", "getpid", "getppid",
    "getpriority", "getresgid", "getresgid32", "getresuid", "getresuid32", "getsid", "gettid", "getuid", "getuid32",
    "get_robust_list", "get_thread_area", "kill", "membarrier", "pause", "pidfd_open", "pidfd_send_signal", "prctl",
    "process_mrelease", "process_vm_readv", "process_vm_writev", "ptrace", "restart_syscall", "rseq", "rt_sigaction",
    "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
    "rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid",
    "setgid32", "setgroups", "setgroups32", "setpgid", "setpriority", "setregid", "setregid32", "setresgid",
    "setresgid32", "setresuid", "setresuid32", "setreuid", "setreuid32", "setsid", "setuid", "setuid32",
    "set_robust_list", "set_thread_area", "set_tid_address", "sigaltstack", "signalfd", "signalfd4", "sigprocmask",
    "sigreturn", "tgkill", "tkill", "vfork", "wait4", "waitid", "waitpid",
    // scheduling, limits, times
    "adjtimex", "alarm", "clock_adjtime", "clock_adjtime64", "clock_getres", "clock_getres_time64", "clock_gettime",
    "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "getcpu", "getitimer", "getrlimit", "getrusage",
    "gettimeofday", "ioprio_get", "ioprio_set", "nanosleep", "prlimit64", "sched_getaffinity", "sched_getattr",
    "sched_getparam", "sched_get_priority_max", "sched_get_priority_min", "sched_getscheduler", "sched_rr_get_interval",
    "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler",
    "sched_yield", "setitimer", "setrlimit", "sysinfo", "time", "timer_create", "timer_delete", "timer_getoverrun",
    "timer_gettime", "timer_gettime64", "timer_settime", "timer_settime64", "timerfd_create", "timerfd_gettime",
    "timerfd_gettime64", "timerfd_settime", "timerfd_settime64", "times", "ugetrlimit", "uname",
    // waiting and events
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "epoll_wait_old", "eventfd", "eventfd2", "futex", "futex_time64", "futex_waitv", "io_cancel", "io_destroy",
    "io_getevents", "io_pgetevents", "io_pgetevents_time64", "io_setup", "io_submit", "_newselect", "pipe", "pipe2",
    "poll", "ppoll", "ppoll_time64", "pselect6", "pselect6_time64", "select",
    // sockets and System V and POSIX inter-process communication
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "ipc", "listen",
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64", "mq_timedsend",
    "mq_timedsend_time64", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd", "recv", "recvfrom", "recvmmsg",
    "recvmmsg_time64", "recvmsg", "semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "send", "sendmmsg",
    "sendmsg", "sendto", "setsockopt", "shmat", "shmctl", "shmdt", "shmget", "shutdown", "socketcall", "socketpair",
    // the rest
    "getrandom", "ioctl", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "seccomp"};

/// Allowed on x86_64, i386 and x32 only.
inline constexpr std::array allowed_on_x86{"arch_prctl", "modify_ldt"};
/// Allowed on aarch64 and arm only.
inline constexpr std::array allowed_on_arm{"arm_fadvise64_64", "arm_sync_file_range", "sync_file_range2",
                                           "breakpoint",       "cacheflush",          "set_tls"};

/// Numbers that every architecture shares and a libseccomp of 2022 has no names for: cachestat, fchmodat2,
/// map_shadow_stack, futex_wake, futex_wait, futex_requeue, statmount, listmount; mseal, setxattrat, getxattrat,
/// listxattrat, removexattrat. Between the two ranges lie the lsm_* calls, which are not allowed.
inline constexpr std::uint32_t first_recent = 451;
inline constexpr std::uint32_t end_recent = 459;
inline constexpr std::uint32_t first_newest = 462;
inline constexpr std::uint32_t end_newest = 467;  ///< from here on: ENOSYS

/// socket(2): families that may be opened. Not among them: AF_ALG (38, a way into the page cache), AF_VSOCK (40,
/// a way to the hypervisor) and what nobody maintains.
inline constexpr std::array<std::uint32_t, 37> socket_families{0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 13,
                                                               14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30,
                                                               31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45};

/// personality(2): Linux, Linux with 32 bits, the two with fixed addresses, and "what is it".
inline constexpr std::array<std::uint32_t, 5> personalities{0x0, 0x8, 0x20000, 0x20008, 0xffffffff};

/// clone(2) with any of these makes a namespace and is refused; clone3, whose flags a filter cannot see, does not
/// exist (ENOSYS).
inline constexpr std::uint32_t namespace_flags = 0x7e020000;

/// ioctl(2) requests that push characters into a terminal: TIOCSTI, TIOCLINUX. Compared by their low 32 bits,
/// which are all that the kernel looks at.
inline constexpr std::array<std::uint32_t, 2> refused_requests{0x5412, 0x541c};

}  // namespace imgbuild::builder::seccomp
