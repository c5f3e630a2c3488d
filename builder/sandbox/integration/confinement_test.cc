// SPDX-License-Identifier: Apache-2.0
// What a command sees of the machine and may do to it.

#include <doctest/doctest.h>

#include "builder/sandbox/integration/scene.h"

using namespace imgbuild;
using namespace imgbuild::builder;

TEST_CASE("capabilities are Docker's default for root and none for others, and the filter is active") {
    Scene scene;
    // Without mounts nobody may load a filter who could gain privileges by it.
    const std::string privileges = has_mounts() ? "NoNewPrivs:\t0\n" : "NoNewPrivs:\t1\n";
    RunSpec spec = scene.shell("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status");
    CHECK(scene.run(spec).output ==
          "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
          "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n" +
              privileges + "Seccomp:\t2\n");
    if (has_one_id()) return;
    spec.credentials = {1000, 1000, {}};
    CHECK(scene.run(spec).output ==
          "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
          "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n" +
              privileges + "Seccomp:\t2\n");
}

TEST_CASE("set-uid programs of the image work, as under Docker") {
    if (!has_mounts()) return;
    Scene scene;
    RunSpec spec = scene.spec({"/bin/inside-suid", "identity"});
    spec.credentials = {1000, 1000, {}};
    CHECK(scene.run(spec).output == "1000 0 1000 1000\n");
}

TEST_CASE("insecure mode keeps all capabilities and has no filter") {
    if (!has_mounts()) return;
    Scene scene;
    RunSpec spec = scene.shell("grep Seccomp: /proc/self/status; mount -t tmpfs none /tmp && echo mounted");
    spec.security = SecurityMode::insecure;
    const std::string filter = has_one_id() ? "2" : "0";  // the one that has calls answered
    CHECK(scene.run(spec).output == "Seccomp:\t" + filter + "\nmounted\n");
}

TEST_CASE("system calls that reach beyond the sandbox are refused") {
    Scene scene;
    CHECK(scene.run(scene.spec({"/bin/inside", "refused"})).output ==
          "unshare EPERM\nclone EPERM\nclone3 ENOSYS\nsetns EPERM\nmount EPERM\nfsopen EPERM\nkeyctl EPERM\n"
          "add_key EPERM\nbpf EPERM\nperf_event_open EPERM\nuserfaultfd EPERM\nio_uring_setup EPERM\n"
          "open_by_handle_at EPERM\ninit_module EPERM\nkexec_load EPERM\nsettimeofday EPERM\naf_alg EPERM\n"
          "af_vsock EPERM\ntiocsti EPERM\ntiocsti_high EPERM\npersonality EPERM\nof_tomorrow ENOSYS\n");
}

TEST_CASE("only the processes of the sandbox are there, under an init that cannot be looked into") {
    if (!has_mounts()) return;
    Scene scene;
    Ran ran = scene.run(
        "set -- /proc/[0-9]*; echo $#; cat /proc/1/comm; grep CapEff /proc/1/status; "
        "readlink /proc/1/fd/0 || readlink /proc/1/root || echo closed");
    const std::string rights = has_one_id() ? "00000000800c001f" : "0000000000000000";  // to answer, or none
    CHECK(ran.output == "2\nimgbuild-init\nCapEff:\t" + rights + "\nclosed\n");
}

TEST_CASE("paths of /proc that tell of the host are masked") {
    if (!has_mounts()) return;
    Scene scene;
    Ran ran =
        scene.run(R"sh(for f in acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list timer_stats
        do test -e /proc/$f || continue
           if test -d /proc/$f; then test -z "$(ls -A /proc/$f)" || echo "$f shows"
           else test "$(stat -L -c '%t:%T' /proc/$f)" = 1:3 || echo "$f shows"; fi
        done; stat -c '%t:%T' /proc/interrupts; ls -A /sys/firmware)sh");
    CHECK(ran.output == "1:3\n");
}

TEST_CASE("what changes the kernel is read-only below /proc and /sys") {
    if (!has_mounts()) return;
    Scene scene;
    Ran ran = scene.run(R"(for f in /proc/sys/kernel/domainname /proc/sys/vm/drop_caches
        do (echo 1 > $f) 2>&1 | sed 's/.*: //'; done
        for d in /proc/bus /proc/fs /proc/irq /proc/sys /sys
        do test -d $d || continue; awk -v d=$d '$2 == d { print d, substr($4, 1, 2) }' /proc/mounts | tail -1; done)");
    CHECK(ran.output ==
          "Read-only file system\nRead-only file system\n/proc/bus ro\n/proc/fs ro\n"
          "/proc/irq ro\n/proc/sys ro\n/sys ro\n");
}

TEST_CASE("nothing below /sys can be written to in the host's network either") {
    if (!has_mounts()) return;
    Scene scene;
    RunSpec spec = scene.shell(R"(awk '$2 ~ "^/sys" && $4 !~ /^ro/ { print }' /proc/mounts
        ls -A /sys/firmware; (echo 1 > /sys/kernel/uevent_helper) 2>&1 | sed 's/.*: //'
        find /sys/fs/cgroup -name release_agent)");
    spec.network = NetworkMode::host;
    CHECK(scene.run(spec).output == "Read-only file system\n");
}

TEST_CASE("the mount table of the command names nothing of the host's file systems but devices") {
    Scene scene;
    RunSpec spec = scene.shell("grep -c pending /proc/self/mountinfo; awk '{print $5}' /proc/self/mountinfo | head -1");
    Ran ran = scene.run(spec);
    CHECK(ran.output.find("\n/\n") != std::string::npos);
    CHECK(scene.run("ls /..").output == scene.run("ls /").output);
}

TEST_CASE("/dev holds what programs expect and nothing else") {
    Scene scene;
    Ran ran = scene.run(
        "ls /dev; ls /dev/pts; echo x > /dev/null; head -c 3 /dev/zero | wc -c; "
        "head -c 5 /dev/urandom | wc -c; echo x > /dev/full; readlink /dev/fd");
    CHECK(ran.output ==
          "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\nptmx\n3\n5\n"
          "sh: write error: No space left on device\n/proc/self/fd\n");
}

TEST_CASE("shared memory has the size that was asked for") {
    if (!has_mounts()) return;
    Scene scene;
    RunSpec spec = scene.shell("df -k /dev/shm | tail -1 | awk '{print $2}'; stat -c %a /dev/shm");
    CHECK(scene.run(spec).output == "65536\n1777\n");
    spec.shm_size = 3 << 20;
    CHECK(scene.run(spec).output == "3072\n1777\n");
}

TEST_CASE("a device node that a command makes opens nothing") {
    if (!is_real_root()) return;  // nobody else can make one
    Scene scene;
    Ran ran = scene.run("for d in / /tmp /dev; do mknod $d/memory c 1 1 && inside open $d/memory; done");
    CHECK(ran.output == "EACCES\nEACCES\nEACCES\n");
    scene.run_and_keep(scene.shell("mknod /zero c 1 5"));
    CHECK(scene.run("inside open /zero; inside open /dev/zero").output == "EACCES\nopened\n");
}

TEST_CASE("an image whose /dev, /proc or /sys is a link gets no mount elsewhere") {
    for (const char* name : {"/dev", "/proc", "/sys"}) {
        Scene scene;
        scene.add_layer(LayerDraft().link(name, "/tmp"));
        CAPTURE(name);
        CHECK_THROWS(scene.run("true"));
    }
}
