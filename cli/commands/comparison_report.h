// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a comparison of two images came to, for people and for programs. Every foreign string is made safe to print.

#include <optional>
#include <string>
#include <vector>

#include "cli/commands/image_comparison.h"

namespace imgbuild::cli {

/// A comparison with the images that it is about, which are borrowed.
struct ComparedPair {
    const ImageSide& before;
    const ImageSide& after;
    const ImageComparison& comparison;
};

/// One line, and what stands behind a file: added, removed, changed, as `path` or its kind.
char mark_of(const builder::FileDifference& file) noexcept;
std::string_view change_of(const builder::FileDifference& file) noexcept;
/// "12 B", "12 B -> 14 B"; empty where there are no bytes.
std::string sizes_of(const builder::FileDifference& file);
/// "line 3: 06:29:27 | 06:30:01"
std::string finding_text(const builder::Finding& finding);
/// The layer that a file's difference belongs to: of the second image, else of the first.
std::optional<std::size_t> layer_of(const builder::FileDifference& file) noexcept;

struct LayerCounts {
    std::size_t shared = 0, only_before = 0, only_after = 0;
    std::uint64_t bytes_shared = 0, bytes_only_before = 0, bytes_only_after = 0;  ///< compressed
};
LayerCounts count_layers(const ComparedPair& pair);

/// Files as one list, then configs and layers: what `imgbuild diff` prints.
std::string diff_text(const ComparedPair& pair);
/// Layer by layer with the step that made each, and the usual remedy of each file: what `imgbuild verify` prints.
std::string cause_text(const ComparedPair& pair);
/// Both of these for programs.
Json comparison_json(const ComparedPair& pair);

/// Error{usage} where --format names no report.
void check_report_format(const std::optional<std::string>& format);

}  // namespace imgbuild::cli
