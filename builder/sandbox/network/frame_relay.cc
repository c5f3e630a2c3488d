// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/network/frame_relay.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "builder/sandbox/network/frames.h"

namespace imgbuild::builder {
namespace {

// After so many of one direction, the other has its turn.
constexpr int most_at_once = 64;

}  // namespace

FrameRelay::FrameRelay(Fd frames, Uplink uplink, std::string folder, int log)
    : frames_(std::move(frames)),
      uplink_(std::move(uplink)),
      folder_(std::move(folder)),
      log_(log),
      frame_(longest_frame) {}

FrameRelay::Events FrameRelay::events() const noexcept {
    const bool has_way_out = process_ || next_ < uplink_.programs.size();
    const bool is_full = process_ && process_->port().is_full();
    const auto writes = static_cast<short>(is_full ? POLLOUT : 0);
    return {pollfd{has_way_out && !is_full ? frames_.get() : -1, POLLIN, 0},
            pollfd{process_ ? process_->port().fd() : -1, static_cast<short>(POLLIN | writes), 0}};
}

void FrameRelay::serve(const Events& events) {
    if (process_ && (events[1].revents & POLLOUT) != 0 && !process_->port().flush())
        return program_failed(process_->last_words());
    if (process_ && (events[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        // An interface that the command took down takes nothing: as a cable that was pulled.
        const bool lives = process_->port().receive([&](std::span<const std::byte> frame) {
            [[maybe_unused]] const ssize_t ignored = ::write(frames_.get(), frame.data(), frame.size());
        });
        if (!lives) return program_failed(process_->last_words());
    }
    if (events[0].revents != 0) take_from_interface();
}

void FrameRelay::take_from_interface() {
    for (int left = most_at_once; left > 0; --left) {
        const ssize_t count = ::read(frames_.get(), frame_.data(), frame_.size());
        if (count < 0 && errno == EBADFD) return frames_.reset();  // a command with all rights took the interface away
        if (count <= 0) return;
        pass_on(std::span(frame_).first(static_cast<std::size_t>(count)));
        if (process_ && process_->port().is_full()) return;
    }
}

void FrameRelay::pass_on(std::span<const std::byte> frame) {
    if (!process_ && !asks_for_somebody(frame)) return;
    while (process_ || next_ < uplink_.programs.size()) {
        if (!process_) start_next();
        if (!process_) continue;
        if (process_->port().send(frame)) return;
        program_failed(process_->last_words());
    }
}

void FrameRelay::start_next() {
    const UplinkProgram& program = uplink_.programs[next_];
    // An old slirp4netns does not start; an old passt does, and is worse than none.
    if (program.kind == UplinkKind::passt)
        if (const std::string fault = fault_of(program); !fault.empty()) return program_failed(fault);
    try {
        process_ = std::make_unique<UplinkProcess>(program, uplink_.has_ipv6, folder_);
    } catch (const Error& error) {
        program_failed(error.full_message());
    }
}

// What was connected is lost; what comes next goes by the next program.
void FrameRelay::program_failed(const std::string& words) {
    process_.reset();
    failures_ += fmt::format("{}{}: {}", failures_.empty() ? "" : "; ", name_of(uplink_.programs[next_].kind), words);
    if (++next_ < uplink_.programs.size() || log_ < 0) return;
    const std::string line = fmt::format("imgbuild: this command's network leads nowhere: {}\n", failures_);
    [[maybe_unused]] const ssize_t ignored = ::write(log_, line.data(), line.size());
}

}  // namespace imgbuild::builder
