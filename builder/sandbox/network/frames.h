// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ethernet frames: which of them say that a command wants to reach something, and how programs take them from a socket.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/fd.h"

namespace imgbuild::builder {

/// The longest frame that comes from or goes to an interface here.
inline constexpr std::size_t longest_frame = 65536;

/// True for a frame that somebody else is meant to answer: to one station, or the question which one it is. What an
/// interface says of itself when it comes up is not among them. Pure.
bool asks_for_somebody(std::span<const std::byte> frame) noexcept;

/// The end of a socket to a program that takes and gives frames; nobody waits for the other side.
class FramePort {
  public:
    enum class Framing : std::uint8_t {
        lengths,   ///< a stream socket: four bytes, the highest first, before each
        messages,  ///< a socket that keeps the boundaries of messages
    };
    FramePort(Fd socket, Framing framing);

    int fd() const noexcept { return socket_.get(); }
    /// A frame that the socket had no room for waits: send no other before flush() was called and this is false.
    bool is_full() const noexcept { return !waiting_.empty(); }
    /// All three are false when the other side is gone.
    bool send(std::span<const std::byte> frame);
    bool flush();
    /// Gives `take` what has come.
    bool receive(const std::function<void(std::span<const std::byte>)>& take);

  private:
    bool receive_message(const std::function<void(std::span<const std::byte>)>& take);

    Fd socket_;
    Framing framing_;
    std::vector<std::byte> waiting_;   // to be sent
    std::vector<std::byte> received_;  // as long as its longest frame could be
    std::size_t used_ = 0;             // of it
};

}  // namespace imgbuild::builder
