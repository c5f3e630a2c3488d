// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one exception of imgbuild. An Error ends the step or the command that it leaves; outcomes that a
// caller expects (a cache miss, a parse diagnostic, a 404) are values and never an Error.
//
// A message reads "doing: object: reason". Frames are added on the way up, where the context is known, and
// a hint says what the user can do. Only cli/ turns an Error into text on a terminal and into an exit code.

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace imgbuild {

/// Decides the exit code and whether a retry may help; the text never does. A closed set: switches over it
/// have no default.
enum class ErrorKind {
    usage,           ///< the command line or the Buildfile is wrong
    not_found,       ///< a file, stage, image or blob that was named does not exist
    invalid_input,   ///< foreign bytes that do not follow their format
    corrupt,         ///< bytes of our own store that do not match their digest
    denied,          ///< the kernel, the file system or a registry said no
    unavailable,     ///< a network or service failure that may pass
    unsupported,     ///< the kernel or this build cannot do it
    no_space,        ///< disk, inodes or quota exhausted
    command_failed,  ///< a RUN ended with a non-zero status or by a signal
    interrupted,     ///< the user or a supervisor asked to stop
    internal,        ///< a mistake of imgbuild's own
};

/// "usage", "not_found", …: as printed in JSON and tests.
std::string_view name_of(ErrorKind kind) noexcept;

class Error : public std::exception {
  public:
    /// `message` is one line without a full stop; `hint` says what to do and may be empty.
    Error(ErrorKind kind, std::string message, std::string hint = {});

    ErrorKind kind() const noexcept { return kind_; }
    const std::string& message() const noexcept { return message_; }
    const std::string& hint() const noexcept { return hint_; }
    /// Context, innermost first.
    const std::vector<std::string>& frames() const noexcept { return frames_; }

    /// Adds one frame of context, for example "COPY at Buildfile:12".
    Error& add_frame(std::string frame);
    Error& set_hint(std::string hint);

    /// "outermost frame: … : message"; the hint is not part of it.
    std::string full_message() const;
    /// The same as full_message(), for code that knows std::exception only.
    const char* what() const noexcept override { return what_.c_str(); }

  private:
    void refresh_what();

    ErrorKind kind_;
    std::string message_;
    std::string hint_;
    std::vector<std::string> frames_;
    std::string what_;
};

/// The kind that an errno value stands for (ENOSPC and EDQUOT are no_space, EACCES and EPERM denied, …).
ErrorKind kind_of_errno(int error_number) noexcept;

/// Throws Error "doing: object: strerror". Call it in the statement after the failed call, with errno as
/// default, so that nothing can overwrite it in between.
[[noreturn]] void throw_errno(std::string_view doing, std::string_view object);
[[noreturn]] void throw_errno(std::string_view doing, std::string_view object, int error_number);

/// Runs `action` and adds `frame` to an Error that leaves it.
template <class Action>
decltype(auto) with_context(std::string_view frame, Action&& action) {
    try {
        return std::forward<Action>(action)();
    } catch (Error& error) {
        error.add_frame(std::string(frame));
        throw;
    }
}

}  // namespace imgbuild
