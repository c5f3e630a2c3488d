// SPDX-License-Identifier: Apache-2.0
#include "base/helper_status.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <new>

#include "base/fd.h"
#include "base/json.h"
#include "base/stream.h"
#include "base/text.h"

namespace imgbuild {
namespace {

constexpr ErrorKind kinds[] = {
    ErrorKind::usage,          ErrorKind::not_found,   ErrorKind::invalid_input, ErrorKind::corrupt,
    ErrorKind::denied,         ErrorKind::unavailable, ErrorKind::unsupported,   ErrorKind::no_space,
    ErrorKind::command_failed, ErrorKind::interrupted, ErrorKind::internal,
};

// A status fits the pipe, so that a helper never waits for somebody to read it.
constexpr std::size_t longest_text = 1500;

std::string shortened(std::string_view text) {
    std::string out = printable(text.substr(0, longest_text));
    return text.size() > longest_text ? out + "…" : out;
}

Json run_action(const std::function<Json()>& action) {
    try {
        Json status = action();
        if (!status.contains("ok")) status["ok"] = true;
        return status;
    } catch (const Error& error) {
        return failure_status(error);
    } catch (const std::bad_alloc&) {
        return failure_status(Error(ErrorKind::unavailable, "out of memory"));
    } catch (const std::exception& error) {
        return failure_status(Error(ErrorKind::internal, error.what()));
    }
}

}  // namespace

Json failure_status(const Error& error) {
    Json status;
    status["ok"] = false;
    status["kind"] = name_of(error.kind());
    status["message"] = shortened(error.full_message());
    if (!error.hint().empty()) status["hint"] = shortened(error.hint());
    return status;
}

int run_helper(const std::function<Json()>& action) noexcept {
    std::signal(SIGPIPE, SIG_IGN);
    try {
        Json status = run_action(action);
        // The reader waits for the end of the output before it looks at the status.
        Fd(STDOUT_FILENO).reset();
        FdWriter(helper_status_fd, "the status").write(as_bytes(write_json(status)));
        return status["ok"].get<bool>() ? 0 : 1;
    } catch (const std::exception&) {
        return 1;
    }
}

void tell_helper_note(std::string_view note) noexcept {
    try {
        FdWriter(helper_status_fd, "a note").write(as_bytes(write_json(Json{{"note", shortened(note)}}) + "\n"));
    } catch (const std::exception&) {
        // Who started us is gone, which the output will find out.
    }
}

std::string parse_helper_note(std::string_view line) {
    try {
        return printable(optional_string(parse_json(line, "note"), "note", "note").value_or(""));
    } catch (const Error&) {
        return {};
    }
}

Json parse_helper_status(std::string_view text, std::string_view helper) {
    try {
        Json status = parse_json(text, "status");
        if (status.is_object() && status.contains("ok") && status["ok"].is_boolean()) return status;
    } catch (const Error&) {
        // Said below, in words that name the helper.
    }
    throw Error(ErrorKind::internal, fmt::format("{}: ended without saying how it went", helper));
}

Error error_of_status(const Json& status, std::string_view helper) {
    std::string kind_name = optional_string(status, "kind", "status").value_or("internal");
    std::string message = optional_string(status, "message", "status").value_or("failed without saying why");
    ErrorKind kind = ErrorKind::internal;
    for (ErrorKind candidate : kinds)
        if (name_of(candidate) == kind_name) kind = candidate;
    if (kind == ErrorKind::internal) message = fmt::format("{}: {}", helper, message);
    return Error(kind, message, optional_string(status, "hint", "status").value_or(""));
}

}  // namespace imgbuild
