// SPDX-License-Identifier: Apache-2.0
#pragma once

// An owned file descriptor: closed once, moved and never copied. Every descriptor that imgbuild opens is
// close-on-exec and lives in one of these.

#include <utility>

namespace imgbuild {

class Fd {
  public:
    Fd() noexcept = default;
    explicit Fd(int number) noexcept : number_(number) {}
    Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.number_, -1));
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    /// The descriptor; -1 when empty.
    int get() const noexcept { return number_; }
    explicit operator bool() const noexcept { return number_ >= 0; }

    /// Gives the descriptor away; the caller closes it.
    int release() noexcept { return std::exchange(number_, -1); }
    /// Closes what is held and holds `number` instead. A failing close is ignored: data that matters was
    /// synced before, by AtomicFile.
    void reset(int number = -1) noexcept;
    /// A second close-on-exec descriptor of the same open file. Throws Error.
    Fd duplicate() const;

  private:
    int number_ = -1;
};

/// openat(2), close-on-exec, again when a signal came, which file systems on a network let through. Empty, with errno,
/// where it fails.
Fd open_at(int directory, const char* name, int flags, unsigned mode = 0) noexcept;

struct Pipe {
    Fd read_end;
    Fd write_end;
};

/// A close-on-exec pipe. Throws Error.
Pipe make_pipe();

}  // namespace imgbuild
