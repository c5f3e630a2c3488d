// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lists of texts that are compared as wholes and then in pairs: the lines of a file, the strings in a program.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "builder/compare/detail/findings.h"

namespace imgbuild::builder::detail {

struct Piece {
    std::string_view text;
    std::size_t place = 0;  ///< a line, an offset
};

/// Says order where the lists hold the same, else compares what one alone has with what the other alone has, one by
/// one. `describe` makes a place of a piece readable. False, with nothing added, where the lists are equal.
bool compare_pieces(std::span<const Piece> before, std::span<const Piece> after, std::string (*describe)(std::size_t),
                    Findings& findings);

}  // namespace imgbuild::builder::detail
