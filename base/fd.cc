// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace imgbuild {

void Fd::reset(int number) noexcept {
    if (number_ >= 0) ::close(number_);
    number_ = number;
}

Fd Fd::duplicate() const {
    int copy = ::fcntl(number_, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) throw_errno("duplicate", "a file descriptor");
    return Fd(copy);
}

Fd open_at(int directory, const char* name, int flags, unsigned mode) noexcept {
    int fd = -1;
    do fd = ::openat(directory, name, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return Fd(fd);
}

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) throw_errno("make", "a pipe");
    return {Fd(ends[0]), Fd(ends[1])};
}

}  // namespace imgbuild
