// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/network/frames.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

std::string frame(const std::string& to, unsigned type, const std::string& rest) {
    return to + std::string(6, '\2') + char(type >> 8) + char(type & 0xff) + rest;
}

bool asks(const std::string& text) { return asks_for_somebody(std::as_bytes(std::span(text))); }

const std::string to_all(6, '\xff');
const std::string to_one("\x52\x55\x0a\0\2\2", 6);
const std::string to_group("\x33\x33\0\0\0\1", 6);

// A packet of IPv6 that is one message of ICMP.
std::string icmp6(char type, char source) {
    std::string header(40, '\0');
    header[6] = 58;
    header[8] = source;
    return header + type + std::string(23, '\0');
}

std::pair<Fd, Fd> sockets(int type) {
    std::array<int, 2> ends{-1, -1};
    REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {Fd(ends[0]), Fd(ends[1])};
}

std::vector<std::string> received(FramePort& port) {
    std::vector<std::string> all;
    CHECK(port.receive([&](std::span<const std::byte> bytes) {
        all.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }));
    return all;
}

bool send(FramePort& port, const std::string& text) { return port.send(std::as_bytes(std::span(text))); }

}  // namespace

TEST_CASE("a packet to somebody, and the question who that is, ask for the way out") {
    CHECK(asks(frame(to_one, 0x0800, std::string(20, '\0'))));
    CHECK(asks(frame(to_one, 0x86dd, std::string(40, '\0'))));
    CHECK(asks(frame(to_all, 0x0806, std::string(28, '\0'))));
    CHECK(asks(frame(to_group, 0x86dd, icmp6(static_cast<char>(135), '\xfd'))));
}

TEST_CASE("what an interface says when it comes up asks for nobody") {
    CHECK_FALSE(asks(frame(to_group, 0x86dd, icmp6(static_cast<char>(135), '\0'))));    // is this address taken?
    CHECK_FALSE(asks(frame(to_group, 0x86dd, icmp6(static_cast<char>(133), '\xfe'))));  // are there routers?
    CHECK_FALSE(asks(frame(to_group, 0x86dd, std::string(76, '\0'))));                  // groups that it listens to
    CHECK_FALSE(asks(frame(to_all, 0x0800, std::string(300, '\0'))));                   // a datagram to all
    CHECK_FALSE(asks(frame(to_group, 0x86dd, "short")));
    CHECK_FALSE(asks(""));
}

TEST_CASE("frames keep their boundaries on a stream, however it is cut") {
    auto [ours, theirs] = sockets(SOCK_STREAM);
    FramePort port(std::move(ours), FramePort::Framing::lengths);
    const std::string bytes("\0\0\0\3one\0\0\0\0\0\0\0\5three", 20);
    std::vector<std::string> all;
    for (const char byte : bytes) {
        REQUIRE(::write(theirs.get(), &byte, 1) == 1);
        for (std::string& text : received(port)) all.push_back(std::move(text));
    }
    CHECK(all == std::vector<std::string>{"one", "", "three"});
    CHECK(send(port, "two"));
    std::array<char, 16> sent{};
    REQUIRE(::read(theirs.get(), sent.data(), sent.size()) == 7);
    CHECK(std::string(sent.data(), 7) == std::string("\0\0\0\3two", 7));
}

TEST_CASE("a stream that is no frames, and an end, are noticed") {
    auto [ours, theirs] = sockets(SOCK_STREAM);
    FramePort port(std::move(ours), FramePort::Framing::lengths);
    REQUIRE(::write(theirs.get(), "\1\0\0\0", 4) == 4);
    CHECK_FALSE(port.receive([](std::span<const std::byte>) {}));
    auto [one, other] = sockets(SOCK_SEQPACKET);
    FramePort messages(std::move(one), FramePort::Framing::messages);
    CHECK(received(messages).empty());
    other.reset();
    CHECK_FALSE(messages.receive([](std::span<const std::byte>) {}));
    CHECK_FALSE(send(messages, "x"));
}

TEST_CASE("a side that does not read gets what it had no room for later, in order and whole") {
    auto [ours, theirs] = sockets(SOCK_STREAM);
    FramePort port(std::move(ours), FramePort::Framing::lengths);
    const std::string large(60'000, 'x');
    int sent = 0;
    for (; !port.is_full(); ++sent) REQUIRE(send(port, large));
    std::string got;
    std::vector<char> block(1 << 20);
    while (port.is_full()) {
        const ssize_t count = ::read(theirs.get(), block.data(), block.size());
        REQUIRE(count > 0);
        got.append(block.data(), static_cast<std::size_t>(count));
        CHECK(port.flush());
    }
    while (got.size() < static_cast<std::size_t>(sent) * (large.size() + 4)) {
        const ssize_t count = ::read(theirs.get(), block.data(), block.size());
        REQUIRE(count > 0);
        got.append(block.data(), static_cast<std::size_t>(count));
    }
    CHECK(got.size() == static_cast<std::size_t>(sent) * (large.size() + 4));
    CHECK(got.substr(got.size() - large.size() - 4, 4) == std::string("\0\0\xea\x60", 4));
}
