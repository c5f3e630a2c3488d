// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace imgbuild {
namespace {

std::string hint_for_errno(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT: return "free some space, or run `imgbuild prune`";
        case EMFILE:
        case ENFILE: return "raise the limit of open files (ulimit -n)";
        case EROFS: return "name a writable place with --store";
        default: return {};
    }
}

}  // namespace

std::string_view name_of(ErrorKind kind) noexcept {
    switch (kind) {
        case ErrorKind::usage: return "usage";
        case ErrorKind::not_found: return "not_found";
        case ErrorKind::invalid_input: return "invalid_input";
        case ErrorKind::corrupt: return "corrupt";
        case ErrorKind::denied: return "denied";
        case ErrorKind::unavailable: return "unavailable";
        case ErrorKind::unsupported: return "unsupported";
        case ErrorKind::no_space: return "no_space";
        case ErrorKind::command_failed: return "command_failed";
        case ErrorKind::interrupted: return "interrupted";
        case ErrorKind::internal: return "internal";
    }
    return "internal";
}

Error::Error(ErrorKind kind, std::string message, std::string hint)
    : kind_(kind), message_(std::move(message)), hint_(std::move(hint)) {
    refresh_what();
}

Error& Error::add_frame(std::string frame) {
    frames_.push_back(std::move(frame));
    refresh_what();
    return *this;
}

Error& Error::set_hint(std::string hint) {
    hint_ = std::move(hint);
    return *this;
}

std::string Error::full_message() const { return what_; }

void Error::refresh_what() {
    what_.clear();
    for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) what_ += *frame + ": ";
    what_ += message_;
}

ErrorKind kind_of_errno(int error_number) noexcept {
    switch (error_number) {
        case ENOENT:
        case ENOTDIR: return ErrorKind::not_found;
        case EACCES:
        case EPERM:
        case EROFS: return ErrorKind::denied;
        case ENOSPC:
        case EDQUOT: return ErrorKind::no_space;
        case ENOSYS:
        case EOPNOTSUPP: return ErrorKind::unsupported;
        case ECONNREFUSED:
        case ECONNRESET:
        case ETIMEDOUT: return ErrorKind::unavailable;
        case ELOOP:
        case ENAMETOOLONG: return ErrorKind::invalid_input;
        default: return ErrorKind::internal;
    }
}

void throw_errno(std::string_view doing, std::string_view object) { throw_errno(doing, object, errno); }

void throw_errno(std::string_view doing, std::string_view object, int error_number) {
    const char* reason = strerrordesc_np(error_number);
    throw Error(kind_of_errno(error_number),
                fmt::format("{}: {}: {}", doing, object, reason ? reason : "unknown error"),
                hint_for_errno(error_number));
}

}  // namespace imgbuild
