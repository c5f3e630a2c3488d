// SPDX-License-Identifier: Apache-2.0
#pragma once

// The rules that the bytes of an image follow, as one number (docs/formats/format-version.md): equal inputs and an equal
// format version give equal bytes, whichever release of imgbuild made them. What changes any byte of an image needs a
// new version beside the old ones, which stay.
//
// Everything that could differ between two versions asks by a switch without default, so that a new one does not
// compile before each of these places has an answer.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/compression.h"

namespace imgbuild::layerstore {

enum class FormatVersion : std::uint8_t { v1 = 1 };

/// The one that builds have unless they ask for another.
inline constexpr FormatVersion newest_format = FormatVersion::v1;
/// All that can be asked for, oldest first.
inline constexpr std::array known_formats{FormatVersion::v1};

constexpr std::uint64_t number_of(FormatVersion format) noexcept { return static_cast<std::uint64_t>(format); }
/// Empty for a number that this program does not know.
std::optional<FormatVersion> format_from_number(std::uint64_t number) noexcept;
/// The numbers that there are, for people: "1", "1 and 2".
std::string known_format_numbers();

/// The annotation of an image's manifest that holds the number.
inline constexpr const char* format_annotation = "io.imgbuild.format-version";

/// The compressor that gives the bytes which a version promises, as compressor_version() calls it. With another one
/// linked, diff IDs are the same and the digests of blobs are not; a unit test compares the two.
std::string_view promised_compressor(FormatVersion format, Compression compression) noexcept;
/// The level where nobody asks for one.
int default_level(FormatVersion format, Compression compression) noexcept;

/// Where the tar of a layer is cut into chunks (docs/formats/layer.md).
struct ChunkRules {
    std::uint64_t small;         ///< bytes: from here on a chunk may end
    std::uint64_t large;         ///< bytes: no chunk of several entries holds more
    std::uint8_t boundary_mask;  ///< bits of the last byte of a path's SHA-256 that are zero where one ends
};
ChunkRules chunk_rules(FormatVersion format) noexcept;

}  // namespace imgbuild::layerstore
