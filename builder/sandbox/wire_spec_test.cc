// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/wire_spec.h"

#include <doctest/doctest.h>

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

DeltaId delta(std::string_view text) { return DeltaId{Sha256::of(text)}; }
ImagePath at(std::string_view path) { return ImagePath::clean(path); }

// Every field has a value of its own, so that two that change places are seen.
RunSpec full_spec() {
    RunSpec spec;
    spec.layers = {delta("1"), delta("2")};
    spec.arguments = {"/bin/sh", "-c", "", std::string("\0\n\xff", 3)};
    spec.stand_ins = {"/bin/sh", "/tools/sh"};
    spec.environment = {"A=b", "C="};
    spec.working_directory = at("/work/dir");
    spec.credentials = {10, 4294967295U, {12, 13}};
    spec.network = NetworkMode::own;
    spec.uplink = {{{UplinkKind::slirp, "/bin/slirp"}, {UplinkKind::passt, "/bin/passt"}}, true};
    spec.security = SecurityMode::insecure;
    spec.own_processes = false;
    spec.hostname = "host";
    spec.added_hosts = {{"name", "address"}};
    spec.shm_size = 1ULL << 40;
    spec.limits = {{"nofile", 14, 18446744073709551615ULL}};
    spec.budget = {.memory = 22,
                   .memory_and_swap = 23,
                   .cpu_quota = 24,
                   .cpu_period = 25,
                   .cpu_shares = 26,
                   .processors = "27",
                   .memory_nodes = "28",
                   .processes = 29,
                   .parent = "/parent"};
    spec.timeout_milliseconds = 30;
    spec.terminal = TerminalSize{31, 32};
    spec.binds = {{at("/bind"), {delta("3")}, at("/from"), true}, {at("/other"), {}, ImagePath(), false}};
    spec.caches = {
        {at("/cache"), "id\n", at("/sub"), CacheSharing::locked, 0710, 15, 16, true, {delta("4")}, at("/seed")}};
    spec.tmpfs = {{at("/tmp"), 17}};
    spec.secrets = {{at("/secret"), std::string("s\0t", 3), 0440, 18, 19}};
    spec.sockets = {{at("/socket"), "/run/agent", 0660, 20, 21}};
    spec.scripts = {{at("/script"), "#!/bin/sh\n"}};
    return spec;
}

std::string encoded(const RunSpec& spec) {
    WireWriter out;
    encode_spec(out, spec);
    return out.take();
}

}  // namespace

TEST_CASE("a specification arrives as it was sent") {
    std::string bytes = encoded(full_spec());
    WireReader in(bytes, "test");
    RunSpec got = decode_spec(in);
    CHECK(in.at_end());
    CHECK(encoded(got) == bytes);
    CHECK(got.layers == std::vector<DeltaId>{delta("1"), delta("2")});
    CHECK(got.arguments == full_spec().arguments);
    CHECK(got.stand_ins == full_spec().stand_ins);
    CHECK(got.budget == full_spec().budget);
    CHECK(got.timeout_milliseconds == 30);
    CHECK(got.terminal->rows == 31);
    CHECK(got.terminal->columns == 32);
    CHECK(got.environment == full_spec().environment);
    CHECK(got.working_directory == at("/work/dir"));
    CHECK(got.credentials.uid == 10);
    CHECK(got.credentials.gid == 4294967295U);
    CHECK(got.credentials.groups == std::vector<std::uint32_t>{12, 13});
    CHECK(got.network == NetworkMode::own);
    CHECK(got.uplink == full_spec().uplink);
    CHECK(got.security == SecurityMode::insecure);
    CHECK_FALSE(got.own_processes);
    CHECK(got.hostname == "host");
    CHECK(got.added_hosts == full_spec().added_hosts);
    CHECK(got.shm_size == 1ULL << 40);
    CHECK(got.limits.at(0).name == "nofile");
    CHECK(got.limits.at(0).soft == 14);
    CHECK(got.limits.at(0).hard == 18446744073709551615ULL);
}

TEST_CASE("the mounts of a specification arrive as they were sent") {
    std::string bytes = encoded(full_spec());
    WireReader in(bytes, "test");
    RunSpec got = decode_spec(in);
    CHECK(got.binds.size() == 2);
    CHECK(got.binds[0].target == at("/bind"));
    CHECK(got.binds[0].source == at("/from"));
    CHECK(got.binds[0].layers == std::vector<DeltaId>{delta("3")});
    CHECK(got.binds[0].writable);
    CHECK_FALSE(got.binds[1].writable);
    const CacheMount& cache = got.caches.at(0);
    CHECK(cache.target == at("/cache"));
    CHECK(cache.id == "id\n");
    CHECK(cache.source == at("/sub"));
    CHECK(cache.sharing == CacheSharing::locked);
    CHECK(cache.mode == 0710);
    CHECK(cache.uid == 15);
    CHECK(cache.gid == 16);
    CHECK(cache.read_only);
    CHECK(cache.from == std::vector<DeltaId>{delta("4")});
    CHECK(cache.from_source == at("/seed"));
    CHECK(got.tmpfs.at(0).target == at("/tmp"));
    CHECK(got.tmpfs.at(0).size == 17);
    CHECK(got.secrets.at(0).content == std::string("s\0t", 3));
    CHECK(got.secrets.at(0).mode == 0440);
    CHECK(got.secrets.at(0).uid == 18);
    CHECK(got.sockets.at(0).host_path == "/run/agent");
    CHECK(got.sockets.at(0).gid == 21);
    CHECK(got.scripts == full_spec().scripts);
}

TEST_CASE("a specification that is cut short is refused at every length") {
    std::string bytes = encoded(full_spec());
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        WireReader in(std::string_view(bytes).substr(0, length), "test");
        CHECK_THROWS_AS(decode_spec(in), Error);
    }
}

TEST_CASE("an error arrives with its kind, hint and frames") {
    Error error(ErrorKind::no_space, "write: /f: No space left on device", "make room");
    error.add_frame("inner").add_frame("outer");
    WireWriter out;
    encode_error(out, error);
    WireReader in(out.bytes(), "test");
    Error got = decode_error(in);
    CHECK(got.kind() == ErrorKind::no_space);
    CHECK(got.hint() == "make room");
    CHECK(got.full_message() == error.full_message());
}

TEST_CASE("an exit status arrives as it was") {
    WireWriter out;
    encode_status(out, {137, 9});
    WireReader in(out.bytes(), "test");
    ExitStatus got = decode_status(in);
    CHECK(got.code == 137);
    CHECK(got.signal == 9);
}

TEST_CASE("how a command ended arrives as it was sent") {
    WireWriter out;
    encode_end(out, {.status = {137, 9}, .cause = EndCause::timed_out, .not_enforced = {"--memory: not enforced"}});
    WireReader in(out.bytes(), "test");
    const RunEnd end = decode_end(in);
    CHECK(in.at_end());
    CHECK(end.status.code == 137);
    CHECK(end.status.signal == 9);
    CHECK(end.cause == EndCause::timed_out);
    CHECK(end.not_enforced == std::vector<std::string>{"--memory: not enforced"});
}
