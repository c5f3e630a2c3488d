// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/network_files.h"

#include <doctest/doctest.h>

using namespace imgbuild::builder;

TEST_CASE("of the host's resolv.conf what a resolver reads is kept, in its order") {
    CHECK(resolv_conf_for("# made by somebody\nnameserver 10.0.0.1\n\n  nameserver\t::1  \nsearch a b\ndomain c\n"
                          "options ndots:1\nsortlist 1.2.3.4\nnameservers x\n; comment\nnameserver 8.8.8.8",
                          NetworkMode::standard) ==
          "nameserver 10.0.0.1\nnameserver\t::1\nsearch a b\ndomain c\noptions ndots:1\nnameserver 8.8.8.8\n");
}

TEST_CASE("in a network of its own a command asks a resolver that stands for the host's, of the same kind") {
    CHECK(resolv_conf_for("search a\nnameserver 127.0.0.53\nnameserver 8.8.8.8\noptions edns0\n", NetworkMode::own) ==
          "nameserver 10.0.2.3\nsearch a\noptions edns0\n");
    CHECK(resolv_conf_for("nameserver 2001:db8::1\n", NetworkMode::own) == "nameserver fd00::3\n");
    CHECK(resolv_conf_for("", NetworkMode::own) == "nameserver 10.0.2.3\n");
}

TEST_CASE("without a network, or without a file, there is nothing to resolve by") {
    CHECK(resolv_conf_for("nameserver 10.0.0.1\n", NetworkMode::none).empty());
    CHECK(resolv_conf_for("", NetworkMode::host).empty());
}

TEST_CASE("hosts names the sandbox and what was added, in its order") {
    RunSpec spec;
    spec.hostname = "name";
    spec.added_hosts = {{"b", "10.0.0.2"}, {"a", "::2"}, {"b", "10.0.0.3"}};
    CHECK(hosts_for(spec) ==
          "127.0.0.1\tlocalhost name\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.2\tb\n::2\ta\n10.0.0.3\tb\n");
}
