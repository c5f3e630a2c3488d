// SPDX-License-Identifier: Apache-2.0
#include "cli/common/terminal_session.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace imgbuild::cli {
namespace {

// Of the one session that there is at a time; -1 for none.
std::atomic<int> resize_event{-1};

void note_resize(int) {
    const int saved = errno;
    const int event = resize_event.load();
    constexpr std::uint64_t one = 1;
    if (event >= 0) {
        [[maybe_unused]] ssize_t ignored = ::write(event, &one, sizeof one);
    }
    errno = saved;
}

Fd make_event() {
    Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) throw_errno("make", "an event");
    return event;
}

void signal_event(const Fd& event) noexcept {
    constexpr std::uint64_t one = 1;
    [[maybe_unused]] ssize_t ignored = ::write(event.get(), &one, sizeof one);
}

// The stream that shows the terminal.
int shown_stream() noexcept { return ::isatty(STDOUT_FILENO) == 1 ? STDOUT_FILENO : STDERR_FILENO; }

builder::TerminalSize size_now() {
    winsize window{};
    builder::TerminalSize size;
    if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row != 0) size = {window.ws_row, window.ws_col};
    return size;
}

}  // namespace

/// Bytes on their way from one descriptor to another.
class TerminalSession::Flow {
  public:
    /// `held` keeps the command's side of it alive; our own streams are not closed.
    Flow(int from, int to, Fd held, bool ends_session)
        : from_(from), to_(to), held_(std::move(held)), counts_(ends_session) {}

    bool is_over() const noexcept { return ended_ && pending_.empty(); }
    /// The session lasts until all that do are over.
    bool keeps_session() const noexcept { return counts_ && !is_over(); }
    pollfd reading() const noexcept { return {pending_.empty() && !ended_ ? from_ : -1, POLLIN, 0}; }
    pollfd writing() const noexcept { return {pending_.empty() ? -1 : to_, POLLOUT, 0}; }

    void read() {
        std::array<char, 16384> block;
        const ssize_t count = ::read(from_, block.data(), block.size());
        if (count > 0)
            pending_.assign(block.data(), static_cast<std::size_t>(count));
        else if (count == 0 || (errno != EINTR && errno != EAGAIN))  // EIO: nobody has the terminal open any more
            end();
    }
    void write() {
        const ssize_t count = ::write(to_, pending_.data(), pending_.size());
        if (count > 0) pending_.erase(0, static_cast<std::size_t>(count));
        if (count < 0 && errno != EINTR && errno != EAGAIN) pending_.clear();  // nobody reads: what comes is dropped
        if (is_over()) held_.reset();
    }

  private:
    void end() {
        ended_ = true;
        if (pending_.empty()) held_.reset();
    }

    int from_;
    int to_;
    Fd held_;
    bool counts_;
    bool ended_ = false;
    std::string pending_;
};

bool TerminalSession::is_possible() noexcept {
    return ::isatty(STDIN_FILENO) == 1 && (::isatty(STDOUT_FILENO) == 1 || ::isatty(STDERR_FILENO) == 1);
}

TerminalSession::TerminalSession() : resized_(make_event()), stopped_(make_event()) {
    if (is_possible()) size_ = size_now();
}

TerminalSession::~TerminalSession() { stop(); }

builder::Attachment TerminalSession::attach() {
    builder::Attachment attachment;
    if (size_) {
        attachment.when_terminal = [this](Fd terminal) { start({}, std::move(terminal)); };
        return attachment;
    }
    Pipe input = make_pipe();
    Pipe output = make_pipe();
    Pipe error = make_pipe();
    attachment.input = std::move(input.read_end);
    attachment.output = std::move(output.write_end);
    attachment.error = std::move(error.write_end);
    std::vector<Flow> flows;
    auto add = [&](int from, int to, Fd held, bool counts) { flows.emplace_back(from, to, std::move(held), counts); };
    const int in = input.write_end.get(), out = output.read_end.get(), err = error.read_end.get();
    ::fcntl(in, F_SETFL, O_NONBLOCK);
    add(STDIN_FILENO, in, std::move(input.write_end), false);
    add(out, STDOUT_FILENO, std::move(output.read_end), true);
    add(err, STDERR_FILENO, std::move(error.read_end), true);
    start(std::move(flows), Fd());
    return attachment;
}

void TerminalSession::start(std::vector<Flow> flows, Fd terminal) {
    if (terminal) {
        ::fcntl(terminal.get(), F_SETFL, O_NONBLOCK);
        flows.emplace_back(STDIN_FILENO, terminal.get(), Fd(), false);
        flows.emplace_back(terminal.get(), shown_stream(), Fd(), true);
        termios settings{};
        if (::tcgetattr(STDIN_FILENO, &settings) == 0) {
            found_ = settings;
            ::cfmakeraw(&settings);
            ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
        }
        resize_event = resized_.get();
        struct sigaction action {};
        action.sa_handler = note_resize;
        action.sa_flags = SA_RESTART;
        ::sigaction(SIGWINCH, &action, nullptr);
        signal_event(resized_);  // it may have changed since it was asked for
    }
    thread_ = std::thread(
        [this, moved = std::move(flows), held = std::move(terminal)]() mutable { carry(std::move(moved), held); });
}

// The thread's: until the command's output has ended, or somebody stops it.
void TerminalSession::carry(std::vector<Flow> flows, const Fd& terminal) {
    auto is_wanted = [&] {
        bool wanted = false;
        for (const Flow& flow : flows) wanted = wanted || flow.keeps_session();
        return wanted;
    };
    while (is_wanted()) {
        std::vector<pollfd> events{{stopped_.get(), POLLIN, 0}, {resized_.get(), POLLIN, 0}};
        for (const Flow& flow : flows) {
            events.push_back(flow.reading());
            events.push_back(flow.writing());
        }
        if (::poll(events.data(), events.size(), -1) < 0) continue;
        if (events[0].revents != 0) return;
        if (events[1].revents != 0) {
            std::uint64_t count = 0;
            [[maybe_unused]] ssize_t ignored = ::read(resized_.get(), &count, sizeof count);
            const builder::TerminalSize size = size_now();
            const winsize window{size.rows, size.columns, 0, 0};
            if (terminal) ::ioctl(terminal.get(), TIOCSWINSZ, &window);
        }
        for (std::size_t i = 0; i < flows.size(); ++i) {
            if (events[2 + 2 * i].revents != 0) flows[i].read();
            if (events[3 + 2 * i].revents != 0) flows[i].write();
        }
    }
}

void TerminalSession::finish() {
    if (thread_.joinable()) thread_.join();
    stop();
}

void TerminalSession::stop() noexcept {
    signal_event(stopped_);
    if (thread_.joinable()) thread_.join();
    if (resize_event.exchange(-1) >= 0) ::signal(SIGWINCH, SIG_DFL);
    if (found_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*found_);
    found_.reset();
}

}  // namespace imgbuild::cli
