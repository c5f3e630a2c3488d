// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of every room share. Not part of any library.

#include <functional>
#include <string>

#include "base/error.h"

namespace imgbuild::test {

/// "kind: message", frames in it, of the Error that `action` ends with, "accepted" when it ends with none.
inline std::string refusal(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return std::string(name_of(error.kind())) + ": " + error.full_message();
    }
    return "accepted";
}

}  // namespace imgbuild::test
