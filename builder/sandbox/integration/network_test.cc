// SPDX-License-Identifier: Apache-2.0
// The network of a RUN, and the files by which it is named.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>

#include "base/directory.h"
#include "builder/sandbox/integration/scene.h"
#include "builder/sandbox/network/uplink.h"
#include "builder/sandbox/network_files.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

std::string host_link(const char* name) {
    std::array<char, 128> text{};
    return ::readlink((std::string("/proc/self/ns/") + name).c_str(), text.data(), text.size()) < 0 ? "" : text.data();
}

constexpr const char* own_hosts = "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n";

}  // namespace

TEST_CASE("without a network there is lo, which is up, and nothing else") {
    Scene scene;
    if (!has_mounts()) {
        // No namespace of its own: then no socket of the internet can be made.
        CHECK(scene.run("ping -c 1 127.0.0.1 2>&1; wget -q -O - http://127.0.0.1 2>&1").output ==
              "PING 127.0.0.1 (127.0.0.1): 56 data bytes\n"
              "ping: can't create raw socket: Address family not supported by protocol\n"
              "wget: socket: Address family not supported by protocol\n");
        return;
    }
    Ran ran = scene.run("ls /sys/class/net; ip -o addr | awk '{print $2, $4}' | head -1; cat /etc/resolv.conf");
    CHECK(ran.output == "lo\nlo 127.0.0.1/8\n");
}

TEST_CASE("the host's network is the host's when asked for, and by default where there is no way out of an own one") {
    Scene scene;
    RunSpec spec = scene.shell("readlink /proc/self/ns/net");
    spec.network = NetworkMode::host;
    CHECK(scene.run(spec).output == host_link("net") + "\n");
    spec.network = NetworkMode::standard;
    const bool is_own = has_mounts() && find_uplink().missing.empty();
    const Ran ran = scene.run(spec);
    CHECK((ran.output != host_link("net") + "\n") == is_own);
    CHECK(ran.result->end().not_enforced.size() == (has_mounts() && !is_own ? 1 : 0));
    if (has_mounts()) CHECK(scene.run("readlink /proc/self/ns/net").output != host_link("net") + "\n");
}

TEST_CASE("a network of a command's own has lo and a way out, and both are up") {
    Scene scene;
    if (!has_mounts() || !find_uplink().missing.empty()) return;
    RunSpec spec =
        scene.shell("ls /sys/class/net; ip -o -4 addr | awk '{print $2, $4}'; ip route; cat /etc/resolv.conf");
    spec.network = NetworkMode::standard;
    const std::string output = scene.run(spec).output;
    CHECK(output.starts_with("eth0\nlo\nlo 127.0.0.1/8\neth0 10.0.2.100/24\ndefault via 10.0.2.2 dev eth0 \n"));
    CHECK(output.find("\nnameserver ") != std::string::npos);
}

TEST_CASE("a command with all rights may take its interface away, and ends as every other") {
    Scene scene;
    if (!has_mounts() || !find_uplink().missing.empty()) return;
    RunSpec spec = scene.shell("ip link del eth0 && ls /sys/class/net");
    spec.network = NetworkMode::standard;
    spec.security = SecurityMode::insecure;
    CHECK(scene.run(spec).output == "lo\n");
}

TEST_CASE("where no program takes the frames, the log says why the network leads nowhere") {
    Scene scene;
    if (!has_mounts() || !find_uplink().missing.empty()) return;
    RunSpec spec = scene.shell("ping -c 1 -w 1 10.0.2.2 >/dev/null || echo no answer");
    spec.network = NetworkMode::own;
    spec.uplink.programs = {{UplinkKind::slirp, "/nonexistent/slirp"}, {UplinkKind::passt, "/bin/false"}};
    CHECK(scene.run(spec).output ==
          "imgbuild: this command's network leads nowhere: slirp4netns: cannot be started (No such file or directory); "
          "passt: passt is older than 2024\nno answer\n");
}

TEST_CASE("all other namespaces are the command's own") {
    if (!has_mounts()) return;
    Scene scene;
    for (const char* name : {"mnt", "pid", "ipc", "uts", "cgroup"})
        CHECK(scene.run(std::string("readlink /proc/self/ns/") + name).output != host_link(name) + "\n");
}

TEST_CASE("the host name is fixed, or the one that was asked for") {
    Scene scene;
    CHECK(scene.run("hostname").output == "buildkitsandbox\n");
    RunSpec spec = scene.shell("hostname; head -1 /etc/hosts");
    spec.hostname = "other";
    CHECK(scene.run(spec).output == "other\n127.0.0.1\tlocalhost other\n");
}

TEST_CASE("resolv.conf is the host's with a network, and hosts names what was added") {
    Scene scene;
    RunSpec spec = scene.shell("cat /etc/resolv.conf /etc/hosts");
    spec.network = NetworkMode::host;
    spec.added_hosts = {{"db", "10.0.0.7"}, {"six", "fe80::1"}};
    std::string resolver;
    if (auto file = Directory::open_host("/etc").try_open(at("resolv.conf"), O_RDONLY, FollowLinks::inside))
        resolver = resolv_conf_for(Directory::open_host("/etc").read_file(at("resolv.conf"), 1 << 20), spec.network);
    CHECK(scene.run(spec).output == resolver + own_hosts + "10.0.0.7\tdb\nfe80::1\tsix\n");
}

TEST_CASE("the files of the network leave no trace, also in an image without /etc") {
    Scene scene;
    CHECK(describe(scene.run_and_keep(scene.shell("cat /etc/hosts /etc/resolv.conf"))).empty());
    scene.add_layer(LayerDraft().remove("/etc"));
    Ran ran = scene.run("cat /etc/hosts; ls /etc");
    CHECK(ran.output == std::string(own_hosts) + "hosts\nresolv.conf\n");
    CHECK(describe(scene.run_and_keep(scene.shell("cat /etc/hosts"))).empty());
    CHECK(describe(scene.run_and_keep(scene.shell("echo a > /etc/mine"))) ==
          "put /etc directory 755 0:0\nput /etc/mine file 644 0:0 size=2\n");
}

TEST_CASE("the image's own hosts and resolv.conf are covered and come through unchanged") {
    Scene scene;
    scene.add_layer(LayerDraft().file("/etc/hosts", "theirs").link("/etc/resolv.conf", "../run/resolver/conf"));
    CHECK(scene.run(scene.shell("cat /etc/hosts; cat /etc/resolv.conf")).output == own_hosts);
    CHECK(describe(scene.run_and_keep(scene.shell("cat /etc/resolv.conf"))).empty());
    CHECK(scene.tree().find(at("/etc/hosts"))->size == 6);
}

TEST_CASE("a command that replaces, writes or removes hosts and resolv.conf for real has its way") {
    Scene scene;
    scene.add_layer(LayerDraft().file("/etc/hosts", "theirs"));
    CHECK(describe(scene.run_and_keep(scene.shell("rm /etc/hosts /etc/resolv.conf; echo own > /etc/resolv.conf"))) ==
          "remove /etc/hosts\nput /etc/resolv.conf file 644 0:0 size=4\n");
    CHECK(scene.run("cat /etc/resolv.conf /etc/hosts").output == own_hosts);
    CHECK(describe(scene.run_and_keep(scene.shell("ln -sf ../run/conf /etc/resolv.conf; echo own > /etc/hosts"))) ==
          "put /etc/hosts file 644 0:0 size=4\nput /etc/resolv.conf symlink 777 0:0 to=../run/conf\n");
    CHECK(describe(scene.run_and_keep(scene.shell("cp -p /etc/hosts /h; cp -p /h /etc/hosts; rm /h"))).empty());
}

TEST_CASE("hosts and resolv.conf below another mount are read-only") {
    if (!has_mounts()) return;
    Scene scene;
    RunSpec spec = scene.shell("cat /etc/hosts; echo x > /etc/hosts");
    spec.tmpfs = {{at("/etc"), 0}};
    CHECK(scene.run(spec).output ==
          std::string(own_hosts) + "/bin/sh: can't create /etc/hosts: Read-only file system\n");
}

TEST_CASE("/etc/hostname belongs to the image and may be written") {
    Scene scene;
    CHECK(describe(scene.run_and_keep(scene.shell("hostname > /etc/hostname"))) ==
          "put /etc/hostname file 644 0:0 size=16\n");
}

TEST_CASE("abstract sockets of the host are out of reach in its network where the kernel has scopes") {
    Scene scene;
    std::string name = "imgbuild-test-" + random_name();
    Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener.get(), 8) == 0);
    RunSpec spec = scene.spec({"/bin/inside", "connect", name});
    if (has_mounts()) CHECK(scene.run(spec).output == "ECONNREFUSED\n");
    spec.network = NetworkMode::host;
    bool has_scopes = ::syscall(444 /* landlock_create_ruleset */, nullptr, 0, 1) >= 6;
    CHECK(scene.run(spec).output == (has_scopes ? "EPERM\n" : "connected\n"));
}
