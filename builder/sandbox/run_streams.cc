// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/run_streams.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"

namespace imgbuild::builder {

TerminalPair open_terminal(Fd multiplexer, const TerminalSize& size, const Credentials& owner) {
    const int unlocked = 0;
    if (::ioctl(multiplexer.get(), TIOCSPTLCK, &unlocked) < 0) throw_errno("unlock", "a terminal");
    // By descriptor: the name that it has may lead elsewhere where we are.
    Fd command(::ioctl(multiplexer.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!command) throw_errno("open", "a terminal");
    const winsize window{size.rows, size.columns, 0, 0};
    if (::ioctl(multiplexer.get(), TIOCSWINSZ, &window) < 0) throw_errno("set the size of", "a terminal");
    if (::fchown(command.get(), owner.uid, static_cast<gid_t>(-1)) < 0) throw_errno("set owner of", "a terminal");
    return {std::move(multiplexer), std::move(command)};
}

}  // namespace imgbuild::builder
