// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/socket_relay.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>
#include <thread>

#include "base/stream.h"
#include "base/test_support.h"

namespace imgbuild::builder {
namespace {

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size());
    return address;
}

Fd connect_to(const std::string& path) {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const timeval limit{10, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return socket;
}

std::string all_of(const Fd& socket) {
    FdReader reader(socket.get(), "socket");
    return read_all(reader, 16 << 20, "socket");
}

/// A socket of the host, and who listens there.
struct Host {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    std::string path = scratch.path() + "/host";
    Fd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    Host() {
        const sockaddr_un address = address_of(path);
        REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(listener.get(), 8) == 0);
    }
    Fd accept() const { return Fd(::accept(listener.get(), nullptr, nullptr)); }
};

TEST_CASE("what one side of a relay says the other one hears, to the end") {
    const Host host;
    const SocketRelay relay(host.scratch.directory(), host.path);
    const Fd inside = connect_to(relay.path());
    const Fd agent = host.accept();
    FdWriter(inside.get(), "inside").write(as_bytes("question"));
    ::shutdown(inside.get(), SHUT_WR);
    CHECK(all_of(agent) == "question");
    // More than a socket holds at once.
    const std::string answer(3 << 20, 'x');
    std::thread answering([&] {
        FdWriter(agent.get(), "agent").write(as_bytes(answer));
        ::shutdown(agent.get(), SHUT_WR);
    });
    CHECK(all_of(inside) == answer);
    answering.join();
}

TEST_CASE("two connections of a relay are two at the host") {
    const Host host;
    const SocketRelay relay(host.scratch.directory(), host.path);
    const Fd first = connect_to(relay.path());
    const Fd first_agent = host.accept();
    const Fd second = connect_to(relay.path());
    const Fd second_agent = host.accept();
    FdWriter(second_agent.get(), "agent").write(as_bytes("to the second"));
    ::shutdown(second_agent.get(), SHUT_RDWR);
    CHECK(all_of(second) == "to the second");
    FdWriter(first_agent.get(), "agent").write(as_bytes("to the first"));
    ::shutdown(first_agent.get(), SHUT_RDWR);
    CHECK(all_of(first) == "to the first");
}

TEST_CASE("where nobody listens at the host a connection ends at once") {
    Host host;
    host.listener.reset();
    const SocketRelay relay(host.scratch.directory(), host.path);
    CHECK(all_of(connect_to(relay.path())).empty());
}

TEST_CASE("what is no socket of the host is told before a command runs") {
    const Host host;
    const auto refused = [&](const std::string& path) {
        return test::refusal([&] { SocketRelay(host.scratch.directory(), path); });
    };
    CHECK(refused(host.scratch.path()) == "usage: " + host.scratch.path() + ": is no socket");
    CHECK(refused("/nowhere/agent") == "not_found: open the socket: /nowhere/agent: No such file or directory");
}

TEST_CASE("a relay that goes away ends its connections and leaves no file") {
    const Host host;
    std::optional<SocketRelay> relay;
    relay.emplace(host.scratch.directory(), host.path);
    const std::string path = relay->path();
    const Fd inside = connect_to(path);
    const Fd agent = host.accept();
    relay.reset();
    CHECK(all_of(inside).empty());
    CHECK(::access(path.c_str(), F_OK) != 0);
}

}  // namespace
}  // namespace imgbuild::builder
