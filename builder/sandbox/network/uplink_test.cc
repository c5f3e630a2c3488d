// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/network/uplink.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace imgbuild::builder;

TEST_CASE("passt is told the addresses inside and that nothing of the host's loopback is to be reached") {
    const UplinkProgram passt{UplinkKind::passt, "/usr/bin/passt"};
    CHECK(
        fmt::format("{}", fmt::join(uplink_arguments(passt, false, 3, "uplink"), " ")) ==
        "/usr/bin/passt --foreground --quiet --fd 3 --no-map-gw --tcp-ports none --udp-ports none --no-dhcp "
        "--no-dhcpv6 --no-ra --address 10.0.2.100 --netmask 24 --gateway 10.0.2.2 --dns-forward 10.0.2.3 --ipv4-only");
    CHECK(fmt::format("{}", fmt::join(uplink_arguments(passt, true, 3, "uplink"), " "))
              .ends_with("--dns-forward 10.0.2.3 --address fd00::100 --gateway fd00::2 --dns-forward fd00::3"));
}

TEST_CASE("slirp4netns listens at its socket, in a sandbox of its own, and keeps from the host's loopback") {
    const UplinkProgram slirp{UplinkKind::slirp, "/bin/slirp4netns"};
    CHECK(fmt::format("{}", fmt::join(uplink_arguments(slirp, false, 3, "uplink"), " ")) ==
          "/bin/slirp4netns --disable-host-loopback --enable-sandbox --enable-seccomp --mtu=65520 --exit-fd=3 "
          "--target-type=bess uplink");
    CHECK(fmt::format("{}", fmt::join(uplink_arguments(slirp, true, 3, "uplink"), " "))
              .ends_with("--enable-ipv6 --target-type=bess uplink"));
}

TEST_CASE("slirp4netns serves sockets since 1.2") {
    CHECK(slirp_serves_sockets("slirp4netns version 1.2.0\ncommit: 656041d\n"));
    CHECK(slirp_serves_sockets("slirp4netns version 2.0.1+dev\n"));
    CHECK_FALSE(slirp_serves_sockets("slirp4netns version 1.0.1\n"));
    CHECK_FALSE(slirp_serves_sockets("slirp4netns version unknown\n"));
    CHECK_FALSE(slirp_serves_sockets("slirp4netns: no such option\n"));
    CHECK_FALSE(slirp_serves_sockets(""));
}

TEST_CASE("a default route of IPv6 counts where it leads out of the machine") {
    const std::string none = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 ";
    const std::string at_loopback =
        none + "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
    CHECK_FALSE(has_default_ipv6_route(at_loopback));
    CHECK_FALSE(has_default_ipv6_route(""));
    CHECK(has_default_ipv6_route(at_loopback + none +
                                 "fd000000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"));
}

TEST_CASE("passt counts since 2024, in the ways in which it says its version") {
    CHECK(passt_is_recent("passt 2024_12_11.09478d5\nCopyright Red Hat\n"));
    CHECK(passt_is_recent("passt 0.0~git20250503.587980c-2\n"));
    CHECK(passt_is_recent("passt 0^20240906.g6b38f07-1.fc40.x86_64\n"));
    CHECK_FALSE(passt_is_recent("passt 0.0~git20230309.7c7625d-1\n"));
    CHECK_FALSE(passt_is_recent("passt unknown version\nCopyright Red Hat\n"));
    CHECK_FALSE(passt_is_recent(""));
}
