// SPDX-License-Identifier: Apache-2.0
#include "cli/common/error_report.h"

#include <fmt/format.h>

#include <csignal>

#include "base/cancel.h"
#include "base/text.h"

namespace imgbuild::cli {

int status_of(const Error& error) noexcept {
    switch (error.kind()) {
        case ErrorKind::command_failed: return exit_status::step_failed;
        case ErrorKind::usage:
        case ErrorKind::not_found: return exit_status::usage;
        case ErrorKind::unavailable: return exit_status::unavailable;
        case ErrorKind::interrupted: return 128 + (cancel_signal() != 0 ? cancel_signal() : SIGINT);
        case ErrorKind::invalid_input:
        case ErrorKind::corrupt:
        case ErrorKind::denied:
        case ErrorKind::unsupported:
        case ErrorKind::no_space:
        case ErrorKind::internal: return exit_status::trouble;
    }
    return exit_status::trouble;
}

std::string describe(const Error& error, bool debug) {
    std::string text = fmt::format("imgbuild: {}\n", printable(error.full_message()));
    if (!error.hint().empty()) {
        // A failed command's hint holds its last lines; each is foreign.
        for (const std::string_view line : split(error.hint(), '\n')) text += printable(line) + "\n";
    }
    if (debug) {
        text += fmt::format("kind: {}\n", name_of(error.kind()));
        for (const std::string& frame : error.frames()) text += fmt::format("  in: {}\n", printable(frame));
    }
    return text;
}

}  // namespace imgbuild::cli
