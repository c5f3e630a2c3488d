# SPDX-License-Identifier: Apache-2.0
"""What a command of a build tries against the machine around it: a shell line for each attempt, which succeeds when the
attempt came through. docs/security.md shows the table, and a test compares the two.

In the lines, $CANARY is a directory outside of the image, $VICTIM a process outside, $LEFT the name of one that stays, $PORT what listens on the host's
loopback, $ABSTRACT an abstract socket outside, and $INTERFACE a network interface outside with the address $HARDWARE.
"""

import dataclasses

RUNGS = ("root", "userns", "single", "chroot")
NETWORK = "a command has the network of what is around the build"
DEVICES = "a device node that a command makes opens what the container's own rules about devices allow"


@dataclasses.dataclass(frozen=True)
class Attempt:
    name: str
    line: str
    open_on: tuple = ()  # the rungs where it comes through
    why: str = ""  # why it does
    network: str = "default"
    open_without_network: tuple = ()  # the rungs where it comes through if commands have no network of their own


def program(*names):
    """Attempts of attack.c."""
    return [Attempt(name, f"/attack {name}") for name in names]


ATTEMPTS = [
    # out of the root
    Attempt("path-upward", "cat ../../../../../../../..$CANARY/target"),
    Attempt("link-to-host", "ln -s /..$CANARY /tmp/l && cat /tmp/l/target"),
    Attempt("descriptor-of-init", "cat /proc/1/root$CANARY/target"),
    Attempt("directory-of-init", "cat /proc/1/cwd/../../../../..$CANARY/target"),
    Attempt("descriptors-of-init", "for fd in /proc/1/fd/*; do cat $fd/..$CANARY/target && exit 0; done; false"),
    Attempt("descriptors-own", "for fd in 3 4 5 6 7 8 9 10 11 12 100; do cat /proc/self/fd/$fd/..$CANARY/target && exit 0; done; false"),
    Attempt("old-root", "ls -d /.old* /oldroot /.pivot* 2>/dev/null | grep -q ."),
    Attempt("host-mounts", "grep -q \" $CANARY\" /proc/self/mountinfo || test -e $CANARY"),
    *program("chroot-read", "chroot-write", "file-handle", "descriptor-inherited", "descriptor-stolen"),
    # our own program
    Attempt("program-of-init", "cp /bin/busybox /proc/1/exe || (echo x >> /proc/1/exe)"),
    Attempt("program-of-parents", "for p in /proc/[0-9]*; do grep -q imgbuild $p/comm && (echo x >> $p/exe) && exit 0; done; false"),
    Attempt("environment-of-init", "tr '\\0' '\\n' < /proc/1/environ | grep -q IMGBUILD_TEST_SECRET"),
    # namespaces and mounts
    *program("namespace-user", "namespace-mount", "namespace-clone", "namespace-clone3", "namespace-enter", "mount-bind",
             "mount-remount", "mount-cgroup", "mount-fsopen", "mount-tree", "mount-unmask", "mount-pivot"),
    # other processes
    *program("trace-init", "trace-parents", "memory-of-init", "signal-outside", "signal-init", "daemon"),
    Attempt("processes-visible", "for p in /proc/[0-9]*; do test \"$(cat $p/comm)\" = sleep && exit 0; done; false"),
    # the kernel's settings
    Attempt("core-pattern", "echo '|/x' > /proc/sys/kernel/core_pattern"),
    Attempt("modprobe-path", "echo /x > /proc/sys/kernel/modprobe"),
    Attempt("sysrq", "test -e /proc/sysrq-trigger && echo h > /proc/sysrq-trigger"),
    Attempt("drop-caches", "echo 1 > /proc/sys/vm/drop_caches"),
    Attempt("uevent-helper", "echo /x > /sys/kernel/uevent_helper"),
    Attempt("interrupts", "for f in /proc/irq/*/smp_affinity; do echo 1 > $f && exit 0; done; false"),
    Attempt("sys-writable", "touch /sys/x || mkdir /sys/fs/cgroup/x || echo 1 > /sys/power/pm_async"),
    Attempt("release-agent", "for f in $(find /sys/fs/cgroup -name release_agent); do echo /x > $f && exit 0; done; false"),
    Attempt("cgroup-processes", "for f in $(find /sys/fs/cgroup -name cgroup.procs); do echo $$ > $f && exit 0; done; false"),
    Attempt("kernel-core", "head -c 1 /proc/kcore | grep -q ."),
    Attempt("keys-listed", "grep -q . /proc/keys"),
    Attempt("timers-listed", "grep -q . /proc/timer_list || grep -q . /proc/sched_debug"),
    # devices: an empty file may stand for one that was made, so a byte has to come; of fuse comes none without a mount
    Attempt("disk", "mknod /tmp/d b 8 0; mknod /tmp/e b 254 0; head -qc 1 /tmp/d /tmp/e | wc -c | grep -q [12]"),
    Attempt("memory", "mknod /tmp/m c 1 1; head -c 1 /tmp/m | wc -c | grep -q 1"),
    Attempt("memory-in-dev", "mknod /dev/m c 1 1; mknod /dev/shm/m c 1 1; head -qc 1 /dev/m /dev/shm/m | wc -c | grep -q [12]"),
    Attempt("fuse", "mknod /tmp/f c 10 229; for d in /tmp/f /dev/fuse; do test -e $d && (: <> $d) && ! cat $d && exit 0; done; false",
            ("chroot",), DEVICES),
    Attempt("kernel-messages", "mknod /tmp/k c 1 11; head -qc 1 /tmp/k /dev/kmsg | wc -c | grep -q [12]"),
    Attempt("host-devices", "for d in mem kmsg fuse kvm sda vda loop0 loop-control; do test -e /dev/$d && exit 0; done; false"),
    # system calls
    *program("keyring", "socket-alg", "socket-vsock", "io-uring", "userfaultfd", "bpf", "perf", "module", "kexec", "reboot",
             "kernel-log", "clock", "swap", "accounting", "host-name", "fanotify", "quota", "ports", "other-architecture",
             "address-layout"),
    # terminals
    *program("terminal-keys", "terminal-keys-wide", "terminal-keys-own", "terminal-controlling"),
    Attempt("terminal-input", "test -t 0 || test -t 1 || read -t 1 line"),
    # privileges
    *program("capability-more", "capability-inheritable", "capability-file", "priority", "real-time", "limit-raise",
             "oom-score"),
    Attempt("groups-of-caller", "id -G | tr ' ' '\\n' | grep -vqx 0"),
    Attempt("environment-of-caller", "env | grep -q IMGBUILD_TEST_SECRET"),
    # overlays
    *program("overlay-trusted", "overlay-user"),
    # sockets
    *program("socket-abstract"),
    Attempt("socket-loopback", "/attack socket-loopback", ("chroot",), NETWORK, open_without_network=RUNGS),
    *program("socket-gateway"),
    Attempt("socket-packet", "/attack socket-packet", ("chroot",), NETWORK, open_without_network=("root",)),
    *[Attempt(name + "-none", f"/attack {name}", network="none")
      for name in ("socket-abstract", "socket-loopback", "socket-packet")],
]

# The same attempts by another user than root, who has fewer ways.
BY_USER = ["chroot-read", "namespace-user", "trace-parents", "signal-outside", "keyring", "path-upward"]
# What Landlock closes where no namespace does, since its version 6 (Linux 6.12).
HELD_BY_SCOPES = {"socket-abstract", "signal-outside", "user:signal-outside"}
# What comes through where commands share the /proc around, and its processes (rung 1b).
OPEN_WITH_SHARED_PROCESSES = {"processes-visible"}
