// SPDX-License-Identifier: Apache-2.0
// namespaces ROOT UPPER WORK COMMAND…: what the kernel asks for one command in a sandbox, and nothing else: all
// namespaces, an overlay of ROOT, the file systems that every sandbox has, another root, and the wait for its end.
// ROOT needs /proc, /sys and /dev. The least that a RUN can cost on top of the command itself.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int failed(const char* what) {
    perror(what);
    return 1;
}

static int inside(char** argv) {
    char options[4096];
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s,volatile", argv[1], argv[2], argv[3]);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return failed("private");
    if (mount("overlay", argv[1], "overlay", MS_NODEV, options) < 0) return failed("overlay");
    if (chdir(argv[1]) < 0) return failed("chdir");
    const unsigned long sealed = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("proc", "proc", "proc", sealed, NULL) < 0) return failed("proc");
    if (mount("sysfs", "sys", "sysfs", sealed | MS_RDONLY, NULL) < 0) return failed("sysfs");
    if (mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755") < 0) return failed("tmpfs");
    if (mkdir("dev/pts", 0755) < 0 || mkdir("dev/shm", 0755) < 0 || mkdir("dev/mqueue", 0755) < 0)
        return failed("mkdir");
    if (mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666") < 0)
        return failed("devpts");
    if (mount("shm", "dev/shm", "tmpfs", sealed, "mode=1777") < 0) return failed("shm");
    if (mount("mqueue", "dev/mqueue", "mqueue", sealed, NULL) < 0) return failed("mqueue");
    if (syscall(SYS_pivot_root, ".", ".") < 0) return failed("pivot_root");
    if (umount2(".", MNT_DETACH) < 0) return failed("umount");
    pid_t command = vfork();
    if (command == 0) {
        execv(argv[4], argv + 4);
        _exit(127);
    }
    int status = 0;
    waitpid(command, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int argc, char** argv) {
    if (argc < 5) {
        fputs("usage: namespaces ROOT UPPER WORK COMMAND...\n", stderr);
        return 2;
    }
    const unsigned long flags =
        CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET | SIGCHLD;
    pid_t child = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
    if (child == 0) _exit(inside(argv));
    if (child < 0) return failed("clone");
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
