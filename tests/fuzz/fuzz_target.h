// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the fuzz targets share. Each target is one source that defines LLVMFuzzerTestOneInput(): libFuzzer drives it
// in a build with -Dfuzzing=true, replay.cc runs it over its corpus as an ordinary test.
//
// A target ends the process where a promise is broken: that is what a fuzzer and a test runner both notice.

#include "base/error.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace imgbuild::fuzz {

/// The input as text; valid as long as `data` is.
inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// Cuts off what stands before the first `separator`, which goes too; all of it when there is none.
inline std::string_view take_until(std::string_view& rest, char separator) {
    const std::size_t end = rest.find(separator);
    const std::string_view taken = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return taken;
}

/// Ends the process unless `holds`; `promise` says what should have held.
inline void require(bool holds, const char* promise) {
    if (holds) return;
    std::fprintf(stderr, "broken promise: %s\n", promise);
    std::abort();
}

/// Runs `action`; true when it was accepted. A refusal is an Error, of any kind but `internal`; its text must be one
/// printable line. Everything else that is thrown ends the process.
template <class Action>
bool accepts(Action&& action) {
    try {
        action();
        return true;
    } catch (const Error& error) {
        require(error.kind() != ErrorKind::internal, "no input is an internal error");
        require(!error.full_message().empty(), "a refusal has a reason");
        for (const char c : error.full_message())
            require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F, "a refusal is one printable line");
        return false;
    }
}

}  // namespace imgbuild::fuzz
