// SPDX-License-Identifier: Apache-2.0
// What a shell cannot try: a static program that is copied into the image. "attack NAME" ends with 0 when the attempt
// came through, with 1 when it was held, and with 2 when there is no such attempt.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define came_through(condition) ((condition) ? 0 : 1)

static const char* variable(const char* name) {
    const char* value = getenv(name);
    return value ? value : "";
}

static int reads_canary(void) {
    char text[64] = "";
    char path[4096];
    snprintf(path, sizeof path, "%s/target", variable("CANARY"));
    int file = open(path, O_RDONLY);
    return file >= 0 && read(file, text, sizeof text - 1) > 0 && strstr(text, "canary") != NULL;
}

// Namespaces and mounts.
static int new_user_namespace(void) { return came_through(unshare(CLONE_NEWUSER) == 0); }
static int new_mount_namespace(void) { return came_through(unshare(CLONE_NEWNS) == 0); }
static int new_by_clone(void) {
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) _exit(0);
    return came_through(pid > 0);
}
static int new_by_clone3(void) {
    unsigned long long arguments[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long pid = syscall(435, arguments, sizeof arguments);
    if (pid == 0) _exit(0);
    return came_through(pid > 0);
}
static int enter_namespace(void) {
    int file = open("/proc/1/ns/mnt", O_RDONLY);
    return came_through(file >= 0 && setns(file, 0) == 0);
}
static int bind_mount(void) { return came_through(mount("/etc", "/tmp", NULL, MS_BIND, NULL) == 0); }
static int remount_sys(void) { return came_through(mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND, NULL) == 0); }
static int mount_cgroup(void) {
    return came_through(mount("c", "/tmp", "cgroup", 0, "memory") == 0 || mount("c", "/tmp", "cgroup2", 0, NULL) == 0);
}
static int fsopen_tmpfs(void) { return came_through(syscall(430, "tmpfs", 0) >= 0); }
static int open_tree_clone(void) { return came_through(syscall(428, AT_FDCWD, "/", 1U) >= 0); }
static int unmount_mask(void) { return came_through(umount2("/proc/kcore", MNT_DETACH) == 0); }
static int pivot(void) { return came_through(syscall(SYS_pivot_root, ".", ".") == 0); }

// The way out of a chroot that is no more than that.
static int chroot_twice(void) {
    mkdir("/tmp/deeper", 0755);
    int outside = open("/", O_RDONLY | O_DIRECTORY);
    if (chroot("/tmp/deeper") < 0 || fchdir(outside) < 0) return 1;
    for (int step = 0; step < 64; ++step)
        if (chdir("..") < 0) return 1;
    return came_through(chroot(".") == 0 && reads_canary());
}
static int write_after_chroot(void) {
    mkdir("/tmp/deeper", 0755);
    int outside = open("/", O_RDONLY | O_DIRECTORY);
    if (chroot("/tmp/deeper") < 0 || fchdir(outside) < 0) return 1;
    for (int step = 0; step < 64; ++step)
        if (chdir("..") < 0) return 1;
    char path[4096];
    snprintf(path, sizeof path, ".%s/pwned", variable("CANARY"));
    return came_through(open(path, O_WRONLY | O_CREAT, 0644) >= 0);
}
static int by_handle(void) {
    struct {
        struct file_handle head;
        char bytes[128];
    } handle = {.head = {.handle_bytes = 128}};
    int mount_id = 0;
    if (name_to_handle_at(AT_FDCWD, "/", &handle.head, &mount_id, 0) < 0) return 1;
    int root = open("/", O_RDONLY);
    return came_through(syscall(SYS_open_by_handle_at, root, &handle, O_RDONLY) >= 0);
}
static int inherited_descriptor(void) {
    for (int number = 3; number < 1024; ++number) {
        int flags = fcntl(number, F_GETFD);
        if (flags >= 0) return 0;
    }
    return 1;
}

// Other processes.
static int trace_init(void) { return came_through(ptrace(PTRACE_SEIZE, 1, NULL, NULL) == 0); }
static int trace_parents(void) {
    char path[64], line[256];
    pid_t pid = getppid();
    for (int depth = 0; depth < 16 && pid > 1; ++depth) {
        snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
        FILE* comm = fopen(path, "r");
        if (comm && fgets(line, sizeof line, comm) && strncmp(line, "imgbuild", 8) == 0)
            if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) return 0;
        if (comm) fclose(comm);
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE* status = fopen(path, "r");
        int parent = 0;
        if (!status || fscanf(status, "%*d (%*[^)]) %*c %d", &parent) != 1) return 1;
        fclose(status);
        pid = parent;
    }
    return 1;
}
static int read_init_memory(void) {
    char byte = 0;
    struct iovec here = {&byte, 1}, there = {(void*)0x400000, 1};
    return came_through(process_vm_readv(1, &here, 1, &there, 1, 0) == 1 || open("/proc/1/mem", O_RDONLY) >= 0);
}
static int steal_descriptor(void) {
    long init = syscall(434, 1, 0);
    return came_through(init >= 0 && syscall(438, init, 0, 0) >= 0);
}
static int signal_victim(void) {
    int pid = atoi(variable("VICTIM"));
    return came_through(pid > 1 && kill(pid, SIGKILL) == 0);
}
static int kill_init(void) {
    kill(1, SIGKILL);
    usleep(20000);
    return came_through(kill(1, 0) < 0 && errno == ESRCH);
}
static int leave_daemon(void) {
    if (fork() == 0) {
        setsid();
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        for (int signal_number = 1; signal_number < 32; ++signal_number) signal(signal_number, SIG_IGN);
        if (fork() == 0) {
            prctl(PR_SET_NAME, variable("LEFT"));
            for (;;) pause();
        }
        for (;;) pause();
    }
    return 1;  // whether it is still there is for the harness to see
}

// System calls that reach the kernel's other rooms.
static int keyrings(void) {
    long found = syscall(SYS_keyctl, 10, -3, "user", "imgbuild-canary", 0);
    long asked = syscall(SYS_request_key, "user", "imgbuild-canary", NULL, -3);
    long added = syscall(SYS_add_key, "user", "imgbuild-left", "x", 1UL, -4);
    return came_through(found >= 0 || asked >= 0 || added >= 0);
}
static int af_alg(void) { return came_through(socket(38, SOCK_SEQPACKET, 0) >= 0); }
static int vsock(void) { return came_through(socket(40, SOCK_STREAM, 0) >= 0); }
static int io_uring(void) {
    char parameters[120] = {0};
    return came_through(syscall(425, 1, parameters) >= 0);
}
static int faults(void) { return came_through(syscall(SYS_userfaultfd, 0) >= 0); }
static int bpf(void) {
    char attributes[128] = {1, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1};
    return came_through(syscall(SYS_bpf, 0, attributes, sizeof attributes) >= 0);
}
static int perf(void) {
    char attributes[128] = {1, 0, 0, 0, (char)128};
    return came_through(syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0) >= 0);
}
static int modules(void) { return came_through(syscall(SYS_init_module, "", 0UL, "") == 0 || errno != EPERM); }
static int kexec(void) { return came_through(syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0UL) == 0 || errno != EPERM); }
static int reboots(void) { return came_through(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL) == 0); }
static int kernel_log(void) {
    char text[64];
    return came_through(syscall(SYS_syslog, 3, text, sizeof text) >= 0);
}
static int set_clock(void) {
    struct timeval now;
    gettimeofday(&now, NULL);
    return came_through(settimeofday(&now, NULL) == 0);
}
static int swap_on(void) { return came_through(syscall(SYS_swapon, "/etc/passwd", 0) == 0 || errno != EPERM); }
static int accounting(void) { return came_through(syscall(SYS_acct, "/tmp/acct") == 0); }
static int host_name(void) { return came_through(sethostname("owned", 5) == 0); }
static int fanotify(void) { return came_through(syscall(SYS_fanotify_init, 0, 0) >= 0); }
static int quotas(void) {
    return came_through(syscall(SYS_quotactl, 0x800007UL << 8, "/dev/x", 0, NULL) == 0 || errno != EPERM);
}
static int raw_ports(void) {
#if defined(__x86_64__)
    return came_through(syscall(SYS_iopl, 3) == 0 || syscall(SYS_ioperm, 0x70, 2, 1) == 0);
#else
    return 1;
#endif
}
static void held(int number) { _exit(number != 0); }
static int old_call_numbers(void) {
#if defined(__x86_64__)
    long result = 0;
    signal(SIGSEGV, held);                                                                // a kernel without i386
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(310), "b"(0x10000000) : "memory");  // unshare of i386
    return came_through(result == 0 || syscall(0x40000000 | SYS_unshare, CLONE_NEWUSER) == 0);
#else
    return 1;
#endif
}

// Terminals.
static int push_keys(void) {
    char key = '#';
    char linux_console[2] = {3, 0};
    int tty = open("/dev/tty", O_RDWR);
    for (int number = 0; number < 3; ++number)
        if (ioctl(number, TIOCSTI, &key) == 0 || ioctl(number, TIOCLINUX, linux_console) == 0) return 0;
    return came_through(tty >= 0 && ioctl(tty, TIOCSTI, &key) == 0);
}
static int push_keys_wide(void) {
    char key = '#';
    for (int number = 0; number < 3; ++number)
        if (syscall(SYS_ioctl, number, 0x100000000UL | TIOCSTI, &key) == 0) return 0;
    return 1;
}
static int own_terminal_pushed(void) {
    // Also on a terminal of its own the request is refused: it needs no luck with descriptors.
    int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
    char key = '#';
    return came_through(master >= 0 && ioctl(master, TIOCSTI, &key) == 0);
}
static int controlling_terminal(void) { return came_through(open("/dev/tty", O_RDWR) >= 0); }

// Sockets.
static int connects(const struct sockaddr* address, socklen_t size) {
    int connection = socket(address->sa_family, SOCK_STREAM, 0);
    return connection >= 0 && connect(connection, address, size) == 0;
}
static int abstract_socket(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char* name = variable("ABSTRACT");
    memcpy(address.sun_path + 1, name, strlen(name));
    return came_through(
        connects((struct sockaddr*)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))));
}
static int connects_to_port_at(unsigned int host) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(variable("PORT")))};
    address.sin_addr.s_addr = htonl(host);
    return came_through(connects((struct sockaddr*)&address, sizeof address));
}
static int loopback(void) { return connects_to_port_at(INADDR_LOOPBACK); }
static void is_silent(int signal) {
    (void)signal;
    _exit(1);
}
// What a way out of a network may take for the host's loopback. Where nobody answers at all, a second is enough.
static int gateway(void) {
    signal(SIGALRM, is_silent);
    alarm(1);
    return connects_to_port_at(0x0a000202);
}
static int listens_to_all(void) {
    // A packet socket sees what its network namespace has: the host's interface must not be among it.
    struct ifreq request = {0};
    unsigned int parts[6] = {0};
    strncpy(request.ifr_name, variable("INTERFACE"), IFNAMSIZ - 1);
    sscanf(variable("HARDWARE"), "%x:%x:%x:%x:%x:%x", parts, parts + 1, parts + 2, parts + 3, parts + 4, parts + 5);
    int packets = socket(AF_PACKET, SOCK_RAW, 0x300);
    if (packets < 0 || ioctl(packets, SIOCGIFHWADDR, &request) < 0) return 1;
    for (int i = 0; i < 6; ++i)
        if ((unsigned char)request.ifr_hwaddr.sa_data[i] != parts[i]) return 1;
    return 0;
}

// Privileges.
static int more_capabilities(void) {
    unsigned int header[2] = {0x20080522, 0};
    unsigned int data[6] = {~0U, ~0U, 0, ~0U, ~0U, 0};
    return came_through(syscall(SYS_capset, header, data) == 0);
}
static int inheritable(void) {
    unsigned int header[2] = {0x20080522, 0};
    unsigned int data[6] = {0};
    syscall(SYS_capget, header, data);
    return came_through(data[2] != 0 || data[5] != 0 || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0) == 1);
}
static int file_capabilities(void) {
    // cap_sys_admin, permitted and effective, on a copy of this program.
    unsigned int capability[5] = {0x02000001, 1U << 21, 0, 0, 0};
    char command[64] = "cp /attack /tmp/attack-admin";
    if (system(command) != 0 ||
        setxattr("/tmp/attack-admin", "security.capability", capability, sizeof capability, 0) < 0)
        return 1;
    return came_through(system("/tmp/attack-admin mount-bind") == 0);
}
static int priority(void) { return came_through(setpriority(PRIO_PROCESS, 0, -20) == 0); }
static int real_time(void) {
    struct sched_param parameter = {.sched_priority = 1};
    return came_through(sched_setscheduler(0, SCHED_FIFO, &parameter) == 0);
}
static int raise_limit(void) {
    struct rlimit limit = {2000000, 2000000};
    return came_through(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}
static int lower_oom(void) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY);
    return came_through(file >= 0 && write(file, "-1000", 5) == 5);
}
static int address_layout(void) { return came_through(syscall(SYS_personality, 0x0040000) >= 0); }

// Attributes by which an overlay tells what lies below.
static int overlay_marks(void) {
    int trusted = setxattr("/home", "trusted.overlay.opaque", "y", 1, 0);
    return came_through(trusted == 0);
}
static int overlay_redirect(void) {
    // May be kept as an attribute of the image's; what the next command sees says whether it counted.
    setxattr("/home", "user.overlay.opaque", "y", 1, 0);
    setxattr("/home", "user.overlay.redirect", "/../../../../etc", 16, 0);
    return 1;
}

static const struct {
    const char* name;
    int (*attempt)(void);
} attempts[] = {
    {"namespace-user", new_user_namespace},
    {"namespace-mount", new_mount_namespace},
    {"namespace-clone", new_by_clone},
    {"namespace-clone3", new_by_clone3},
    {"namespace-enter", enter_namespace},
    {"mount-bind", bind_mount},
    {"mount-remount", remount_sys},
    {"mount-cgroup", mount_cgroup},
    {"mount-fsopen", fsopen_tmpfs},
    {"mount-tree", open_tree_clone},
    {"mount-unmask", unmount_mask},
    {"mount-pivot", pivot},
    {"chroot-read", chroot_twice},
    {"chroot-write", write_after_chroot},
    {"file-handle", by_handle},
    {"descriptor-inherited", inherited_descriptor},
    {"trace-init", trace_init},
    {"trace-parents", trace_parents},
    {"memory-of-init", read_init_memory},
    {"descriptor-stolen", steal_descriptor},
    {"signal-outside", signal_victim},
    {"signal-init", kill_init},
    {"daemon", leave_daemon},
    {"keyring", keyrings},
    {"socket-alg", af_alg},
    {"socket-vsock", vsock},
    {"io-uring", io_uring},
    {"userfaultfd", faults},
    {"bpf", bpf},
    {"perf", perf},
    {"module", modules},
    {"kexec", kexec},
    {"reboot", reboots},
    {"kernel-log", kernel_log},
    {"clock", set_clock},
    {"swap", swap_on},
    {"accounting", accounting},
    {"host-name", host_name},
    {"fanotify", fanotify},
    {"quota", quotas},
    {"ports", raw_ports},
    {"other-architecture", old_call_numbers},
    {"terminal-keys", push_keys},
    {"terminal-keys-wide", push_keys_wide},
    {"terminal-keys-own", own_terminal_pushed},
    {"terminal-controlling", controlling_terminal},
    {"socket-abstract", abstract_socket},
    {"socket-loopback", loopback},
    {"socket-gateway", gateway},
    {"socket-packet", listens_to_all},
    {"capability-more", more_capabilities},
    {"capability-inheritable", inheritable},
    {"capability-file", file_capabilities},
    {"priority", priority},
    {"real-time", real_time},
    {"limit-raise", raise_limit},
    {"oom-score", lower_oom},
    {"address-layout", address_layout},
    {"overlay-trusted", overlay_marks},
    {"overlay-user", overlay_redirect},
};

int main(int count, char** arguments) {
    for (size_t i = 0; count > 1 && i < sizeof attempts / sizeof *attempts; ++i)
        if (strcmp(attempts[i].name, arguments[1]) == 0) return attempts[i].attempt();
    return 2;
}
