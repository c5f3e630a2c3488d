// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a helper program tells the program that started it how things went: one JSON object on descriptor 3,
// written last, so that an end of the output without it is never taken for success (docs/formats/helpers.md).

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace imgbuild {

inline constexpr int helper_status_fd = 3;
inline constexpr int helper_data_fd = 4;    ///< a file that the request speaks of, where it speaks of one
inline constexpr int helper_tokens_fd = 5;  ///< what helpers of one program remember together, where they do
inline constexpr std::size_t max_helper_status_bytes = 64 * 1024;

/// {"ok":false,"kind":…,"message":…,"hint":…}; frames become part of the message, and what is not UTF-8 is escaped.
nlohmann::ordered_json failure_status(const Error& error);

/// Says something while the work goes on, which is no status: {"note":"…"} and a line feed, to be written before it.
/// Called in the process of a helper. Throws nothing: that nobody listens is no reason to stop.
void tell_helper_note(std::string_view note) noexcept;
/// The text of such a line; empty where it is none.
std::string parse_helper_note(std::string_view line);

/// The main function of a helper: runs `action`, closes standard output, and writes the status: what the action
/// returned, "ok" being true unless it says otherwise, or the failure_status() of what it threw. Gives the exit
/// code: 0, or 1 for a failure. SIGPIPE is ignored, so that a reader that went away is an Error like any other.
int run_helper(const std::function<nlohmann::ordered_json()>& action) noexcept;

/// Reads a status written by run_helper(). Error{internal} naming `helper` when `text` is none.
nlohmann::ordered_json parse_helper_status(std::string_view text, std::string_view helper);
/// The Error that a status with "ok" false stands for.
Error error_of_status(const nlohmann::ordered_json& status, std::string_view helper);

}  // namespace imgbuild
