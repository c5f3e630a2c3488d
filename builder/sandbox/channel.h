// SPDX-License-Identifier: Apache-2.0
#pragma once

// Messages with descriptors over a unix stream socket: between the main process and a child of the helper,
// and between a sandbox's init and that child. A message is whole or an Error; the other side's end is a value.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/stream.h"

namespace imgbuild::builder {

/// As many descriptors as one message may carry.
inline constexpr std::size_t max_message_fds = 64;

struct Message {
    std::string payload;
    std::vector<Fd> fds;
};

class Channel {
  public:
    explicit Channel(Fd socket) : socket_(std::move(socket)) {}
    /// Two ends of one connection, both close-on-exec.
    static std::pair<Channel, Channel> make_pair();

    int fd() const noexcept { return socket_.get(); }
    /// Sends a whole message. Error{unavailable} when the other side is gone.
    void send(std::string_view payload, std::span<const int> fds = {});
    /// The next message; empty when the other side ended between two messages. Error{unavailable} when it ended
    /// inside one.
    std::optional<Message> receive();
    /// Says that nothing more will be sent; the other side sees the end.
    void finish_sending() noexcept;
    void shut() noexcept { socket_.reset(); }

  private:
    Fd socket_;
};

/// Reads a stream that comes as messages: an empty message ends it. The connection's end before that is an
/// Error, so that bytes whose sender failed are never taken as whole.
class MessageReader final : public ByteReader {
  public:
    explicit MessageReader(Channel& channel) : channel_(channel) {}
    std::size_t read(std::span<std::byte> buffer) override;

  private:
    Channel& channel_;
    std::string block_;
    std::size_t used_ = 0;
    bool ended_ = false;
};

}  // namespace imgbuild::builder
