// SPDX-License-Identifier: Apache-2.0
#include "cli/common/terminal.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/cancel.h"
#include "base/stream.h"

namespace imgbuild::cli {
namespace {

// Waits until the descriptor takes bytes; false where it takes none and somebody asked to stop.
bool has_room(int descriptor) noexcept {
    while (true) {
        pollfd watched[] = {{descriptor, POLLOUT, 0}, {cancel_fd(), POLLIN, 0}};
        const int count = ::poll(watched, std::size(watched), -1);
        if (count < 0 && errno != EINTR) return false;
        if (count > 0 && watched[0].revents != 0) return true;
        if (cancel_signal() != 0) return false;
    }
}

}  // namespace

void print(std::string_view text) { FdWriter(STDOUT_FILENO, "standard output").write(as_bytes(text)); }

void tell(std::string_view text) noexcept {
    while (!text.empty() && has_room(STDERR_FILENO)) {
        // What fits into a pipe that has room at all.
        const ssize_t count = ::write(STDERR_FILENO, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
        if (count >= 0)
            text.remove_prefix(static_cast<std::size_t>(count));
        else if (errno != EINTR && errno != EAGAIN)
            return;  // There is nobody left to tell it to.
    }
}

void occupy_closed_streams() noexcept {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(stream, F_GETFD) >= 0) continue;
        // The other way round, so that using the stream is the same error as before: a result must not vanish. All
        // below it are open, so it gets this number.
        const int opened = ::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        if (opened < 0) return;
    }
}

}  // namespace imgbuild::cli
