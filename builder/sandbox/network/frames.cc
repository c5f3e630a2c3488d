// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/network/frames.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace imgbuild::builder {
namespace {

constexpr std::size_t length_bytes = 4;

// Offsets in a frame, and numbers of protocols.
constexpr std::size_t type_at = 12, header_at = 14, next_header_at = 20, source_at = 22, icmp_at = 54;
constexpr unsigned arp = 0x0806, ipv6 = 0x86dd, icmp6 = 58, neighbour_solicitation = 135;

unsigned byte_at(std::span<const std::byte> frame, std::size_t place) noexcept {
    return std::to_integer<unsigned>(frame[place]);
}

bool would_block() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS; }

}  // namespace

bool asks_for_somebody(std::span<const std::byte> frame) noexcept {
    if (frame.size() <= header_at) return false;
    const bool is_to_many = (byte_at(frame, 0) & 1) != 0;
    if (!is_to_many) return true;
    const unsigned type = byte_at(frame, type_at) << 8 | byte_at(frame, type_at + 1);
    if (type == arp) return true;
    if (type != ipv6 || frame.size() <= icmp_at) return false;
    if (byte_at(frame, next_header_at) != icmp6 || byte_at(frame, icmp_at) != neighbour_solicitation) return false;
    // Without an address of its own it only asks whether it may have one.
    return std::ranges::any_of(frame.subspan(source_at, 16), [](std::byte byte) { return byte != std::byte{0}; });
}

FramePort::FramePort(Fd socket, Framing framing)
    : socket_(std::move(socket)), framing_(framing), received_(2 * (longest_frame + length_bytes)) {
    if (::fcntl(socket_.get(), F_SETFL, O_NONBLOCK) < 0) throw_errno("set up", "a socket for frames");
}

bool FramePort::send(std::span<const std::byte> frame) {
    if (framing_ == Framing::lengths)
        for (int shift = 24; shift >= 0; shift -= 8) waiting_.push_back(std::byte(frame.size() >> shift & 0xff));
    waiting_.insert(waiting_.end(), frame.begin(), frame.end());
    return flush();
}

bool FramePort::flush() {
    while (!waiting_.empty()) {
        const ssize_t sent = ::send(socket_.get(), waiting_.data(), waiting_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) return would_block();
        waiting_.erase(waiting_.begin(), waiting_.begin() + sent);
    }
    return true;
}

bool FramePort::receive_message(const std::function<void(std::span<const std::byte>)>& take) {
    const ssize_t count = ::recv(socket_.get(), received_.data(), received_.size(), MSG_DONTWAIT);
    if (count < 0) return would_block();
    if (count > 0) take(std::span(received_).first(static_cast<std::size_t>(count)));
    return count > 0;
}

bool FramePort::receive(const std::function<void(std::span<const std::byte>)>& take) {
    if (framing_ == Framing::messages) return receive_message(take);
    const ssize_t count = ::recv(socket_.get(), received_.data() + used_, received_.size() - used_, MSG_DONTWAIT);
    if (count < 0) return would_block();
    if (count == 0) return false;
    used_ += static_cast<std::size_t>(count);
    std::span<const std::byte> left(received_.data(), used_);
    while (left.size() >= length_bytes) {
        std::size_t length = 0;
        for (std::size_t i = 0; i < length_bytes; ++i) length = length << 8 | byte_at(left, i);
        if (length > longest_frame) return false;  // no frames: whatever this is, it is not understood
        if (left.size() - length_bytes < length) break;
        take(left.subspan(length_bytes, length));
        left = left.subspan(length_bytes + length);
    }
    std::memmove(received_.data(), left.data(), left.size());
    used_ = left.size();
    return true;
}

}  // namespace imgbuild::builder
