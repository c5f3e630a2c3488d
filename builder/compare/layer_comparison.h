// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tells two stacks of layers apart, file by file. Only the layers that are given are read; what lies below both of
// them may be known as a tree, or be left unknown: then of a file that one stack alone touches it is said so, and not
// what the other has there.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/directory.h"
#include "base/image_path.h"
#include "base/stream.h"
#include "builder/compare/file_comparison.h"
#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

inline constexpr std::size_t max_inspected_files = 2000;                      ///< of one comparison
inline constexpr std::uint64_t max_extracted_bytes = std::uint64_t{4} << 30;  ///< of each stack, kept on disk meanwhile

/// One layer that is compared.
struct ComparedLayer {
    std::string what;  ///< begins errors
    /// A new reader of its uncompressed tar. Throws Error.
    std::function<std::unique_ptr<ByteReader>()> open;
    /// What it says, where that is known without reading; else null, and it is read.
    std::shared_ptr<const layerstore::TreeDelta> delta;
};

/// What a stack has at a path.
struct EntryState {
    enum class Presence : std::uint8_t {
        untouched,  ///< no layer of the stack says anything, and what lies below is not known
        absent,
        present,
    };
    Presence presence = Presence::untouched;
    layerstore::Entry entry;           ///< where present
    std::optional<std::size_t> layer;  ///< the one of the stack that decided; empty: what lies below

    bool is_present() const noexcept { return presence == Presence::present; }
    std::uint64_t size() const noexcept { return is_present() ? entry.size : 0; }
};

struct FileDifference {
    ImagePath path;
    EntryState before, after;
    FileFindings findings;  ///< of the entry first, then of the bytes
};

struct ComparisonOptions {
    bool with_times = false;                  ///< times of entries count as well
    bool looks_inside = true;                 ///< into files whose bytes differ
    const layerstore::Tree* below = nullptr;  ///< below both stacks; null: not known
    Surroundings surroundings;
};

/// In path order. Reads layers whose delta is not known once, and those that hold files which differ once more, into
/// `scratch`; sets ComparedLayer::delta. Error as the layers' readers throw it where a layer cannot be read at all; one
/// whose bytes have gone after its delta was known leaves its files unexplained.
std::vector<FileDifference> compare_stacks(std::vector<ComparedLayer>& before, std::vector<ComparedLayer>& after,
                                           const Directory& scratch, const ComparisonOptions& options);

/// The delta of a layer read by itself: hard links to files of lower layers are files of no size.
layerstore::TreeDelta read_layer_alone(ByteReader& tar, const std::string& what);

}  // namespace imgbuild::builder
