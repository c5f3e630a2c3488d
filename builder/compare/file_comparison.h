// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tells two versions of one file apart, and of which kind that is. The bytes are foreign: whatever they hold,
// the work is bounded, nothing is thrown for them, and what is reported is short and safe to print.
//
// Files of at most max_inspected bytes are looked into, formats inside formats too (max_nesting). Of larger ones a
// window around the first bytes that differ is looked at, and the rest is counted as it streams by.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/stream.h"
#include "builder/compare/kinds.h"

namespace imgbuild::builder {

inline constexpr std::uint64_t max_inspected = std::uint64_t{32} << 20;  ///< bytes of each version
inline constexpr std::uint64_t max_unpacked = std::uint64_t{128} << 20;  ///< bytes that all formats inside may give
inline constexpr std::size_t max_nesting = 4;                            ///< formats inside formats
inline constexpr std::size_t max_findings = 16;                          ///< kept for one file
inline constexpr std::size_t max_value_bytes = 160;                      ///< of a value that is shown

/// One difference. Values are printable; one that a version does not have is empty.
struct Finding {
    DifferenceKind kind = DifferenceKind::content;
    std::string where;  ///< "line 3", "member a.o: offset 0x40"; empty: all of it
    std::string before;
    std::string after;
    friend bool operator==(const Finding&, const Finding&) = default;
};

/// What the two builds are known to have differed in, so that it is recognised in their files.
struct Surroundings {
    std::string host_name_before, host_name_after;
    std::size_t processors_before = 0, processors_after = 0;  ///< 0: not known
};

/// One version of a file.
struct FileVersion {
    std::uint64_t size = 0;
    std::function<std::unique_ptr<ByteReader>()> open;  ///< a new reader of the whole
};

struct FileFindings {
    std::vector<Finding> list;  ///< at most max_findings, what comes first in the file first
    std::size_t left_out = 0;   ///< found besides
    /// The kind that explains the file best: the first that is not a mere consequence.
    DifferenceKind cause() const noexcept;
};

/// `path` is the file's in its image. Never empty unless the bytes are equal. Throws only what the readers throw.
FileFindings compare_files(std::string_view path, const FileVersion& before, const FileVersion& after,
                           const Surroundings& surroundings = {});

/// The same for bytes in memory.
FileFindings compare_file_bytes(std::string_view path, std::string_view before, std::string_view after,
                                const Surroundings& surroundings = {});

}  // namespace imgbuild::builder
