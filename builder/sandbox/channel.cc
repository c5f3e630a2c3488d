// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/cancel.h"
#include "base/error.h"

namespace imgbuild::builder {
namespace {

struct Header {
    std::uint64_t bytes = 0;
    std::uint64_t fds = 0;
};

[[noreturn]] void peer_gone() {
    throw Error(ErrorKind::unavailable, "talk to the sandbox helper: it ended unexpectedly",
                "if the kernel killed it for want of memory, dmesg says so");
}

using ControlBuffer = std::array<char, CMSG_SPACE(sizeof(int) * max_message_fds)>;

void attach_fds(msghdr& message, ControlBuffer& buffer, std::span<const int> fds) {
    if (fds.empty()) return;
    message.msg_control = buffer.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(control), fds.data(), fds.size_bytes());
}

void take_fds(msghdr& message, std::vector<Fd>& fds) {
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control; control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
        std::size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
            fds.emplace_back(number);
        }
    }
}

// Until the other side has read something; a wish to stop ends the wait, whoever is being waited for.
void wait_for_room(int socket) {
    std::array<pollfd, 2> events{pollfd{socket, POLLOUT, 0}, pollfd{cancel_fd(), POLLIN, 0}};
    if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR) throw_errno("talk to", "the sandbox helper");
    if (events[1].revents != 0) throw_if_cancelled();
}

void skip_sent(std::span<iovec> parts, std::size_t count) {
    for (iovec& part : parts) {
        std::size_t taken = std::min(part.iov_len, count);
        part.iov_base = static_cast<char*>(part.iov_base) + taken;
        part.iov_len -= taken;
        count -= taken;
    }
}

}  // namespace

std::pair<Channel, Channel> Channel::make_pair() {
    std::array<int, 2> ends{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) throw_errno("make", "a socket pair");
    return {Channel(Fd(ends[0])), Channel(Fd(ends[1]))};
}

void Channel::send(std::string_view payload, std::span<const int> fds) {
    Header header{payload.size(), fds.size()};
    std::array<iovec, 2> parts{iovec{&header, sizeof header}, iovec{const_cast<char*>(payload.data()), payload.size()}};
    alignas(cmsghdr) ControlBuffer control;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    attach_fds(message, control, fds);
    std::size_t left = sizeof header + payload.size();
    while (left > 0) {
        ssize_t count = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) {
                wait_for_room(socket_.get());
                continue;
            }
            if (errno == EPIPE || errno == ECONNRESET) peer_gone();
            throw_errno("talk to", "the sandbox helper");
        }
        left -= static_cast<std::size_t>(count);
        message.msg_control = nullptr;
        message.msg_controllen = 0;
        skip_sent(parts, static_cast<std::size_t>(count));
    }
}

std::optional<Message> Channel::receive() {
    Header header;
    Message result;
    alignas(cmsghdr) ControlBuffer control;
    for (std::size_t filled = 0; filled < sizeof header;) {
        iovec part{reinterpret_cast<char*>(&header) + filled, sizeof header - filled};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        ssize_t count = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
        if (count < 0 && errno == EINTR) continue;
        bool ended = count == 0 || (count < 0 && errno == ECONNRESET);
        if (ended && filled == 0) return std::nullopt;
        if (count <= 0) peer_gone();
        take_fds(message, result.fds);
        filled += static_cast<std::size_t>(count);
    }
    result.payload.resize(header.bytes);
    for (std::size_t filled = 0; filled < header.bytes;) {
        ssize_t count = ::recv(socket_.get(), result.payload.data() + filled, header.bytes - filled, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) peer_gone();
        filled += static_cast<std::size_t>(count);
    }
    if (result.fds.size() != header.fds)
        throw Error(ErrorKind::unavailable, "receive files from the sandbox helper: too many open files",
                    "raise the limit of open files (ulimit -n)");
    return result;
}

void Channel::finish_sending() noexcept { ::shutdown(socket_.get(), SHUT_WR); }

std::size_t MessageReader::read(std::span<std::byte> buffer) {
    if (used_ == block_.size() && !ended_) {
        auto message = channel_.receive();
        if (!message) throw Error(ErrorKind::interrupted, "materialise: the sender gave up");
        block_ = std::move(message->payload);
        used_ = 0;
        ended_ = block_.empty();
    }
    std::size_t count = std::min(buffer.size(), block_.size() - used_);
    std::memcpy(buffer.data(), block_.data() + used_, count);
    used_ += count;
    return count;
}

}  // namespace imgbuild::builder
