// SPDX-License-Identifier: Apache-2.0
#pragma once

// Paths of a command that lead to /proc, /sys or a terminal, where those are answered for. Pure.

#include <string>
#include <string_view>

#include "base/image_path.h"

namespace imgbuild::builder {

struct SpecialPath {
    enum class Kind : std::uint8_t {
        none,       ///< an ordinary path, or one that the files in place of /proc answer
        machine,    ///< /proc/`rest`, the same for every process
        task,       ///< /proc/`who`/`rest`
        system,     ///< /sys/`rest`
        terminal,   ///< /dev/`rest`
        processes,  ///< /proc itself
    };
    Kind kind = Kind::none;
    std::string who;   ///< "self", "thread-self" or a number
    std::string rest;  ///< without a slash at either end
    friend bool operator==(const SpecialPath&, const SpecialPath&) = default;
};

/// What `path`, in which no link is followed, is of these. Without `follows_last`, what is a link in /dev stays one.
SpecialPath special_path(const ImagePath& path, bool follows_last = true);

}  // namespace imgbuild::builder
