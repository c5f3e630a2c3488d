// SPDX-License-Identifier: Apache-2.0
#include "cli/common/error_report.h"

#include <doctest/doctest.h>

namespace imgbuild::cli {
namespace {

TEST_CASE("the kind of an error decides the exit status") {
    const auto status = [](ErrorKind kind) { return status_of(Error(kind, "x")); };
    CHECK(status(ErrorKind::command_failed) == 1);
    CHECK(status(ErrorKind::usage) == 2);
    CHECK(status(ErrorKind::not_found) == 2);
    CHECK(status(ErrorKind::unavailable) == 3);
    CHECK(status(ErrorKind::invalid_input) == 6);
    CHECK(status(ErrorKind::corrupt) == 6);
    CHECK(status(ErrorKind::denied) == 6);
    CHECK(status(ErrorKind::unsupported) == 6);
    CHECK(status(ErrorKind::no_space) == 6);
    CHECK(status(ErrorKind::internal) == 6);
    CHECK(status(ErrorKind::interrupted) == 130);
}

TEST_CASE("an error is one line with its frames, outermost first, and a hint below") {
    Error error(ErrorKind::not_found, "a: no such file", "is it ignored?");
    error.add_frame("COPY a /a").add_frame("Buildfile:2");
    CHECK(describe(error, false) == "imgbuild: Buildfile:2: COPY a /a: a: no such file\nis it ignored?\n");
}

TEST_CASE("without a hint there is one line") {
    CHECK(describe(Error(ErrorKind::usage, "unknown flag: --x"), false) == "imgbuild: unknown flag: --x\n");
}

TEST_CASE("foreign text in an error drives no terminal, and a hint keeps its lines") {
    const Error error(ErrorKind::command_failed, "exit status 7\x1b[2J", "last lines:\n  one\x1b]0;x\a\n  two");
    const std::string text = describe(error, false);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find('\a') == std::string::npos);
    CHECK(text.find("last lines:\n  one") != std::string::npos);
    CHECK(text.ends_with("\n  two\n"));
}

TEST_CASE("with debug the kind and each frame are told") {
    Error error(ErrorKind::denied, "no");
    error.add_frame("inner").add_frame("outer");
    CHECK(describe(error, true) == "imgbuild: outer: inner: no\nkind: denied\n  in: inner\n  in: outer\n");
}

}  // namespace
}  // namespace imgbuild::cli
