// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a foreign archive to the strict tar of layerstore/layer/tar_writer.h. Whatever dialect comes in, what goes
// out is ustar with pax, names cleaned, holes filled, owners as numbers.

#include <cstdint>
#include <optional>

#include "base/stream.h"
#include "layerstore/layer/tar_reader.h"

namespace imgbuild::unpack {

struct Unpacked {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;  ///< of files
};

/// Reads `archive` to its end and writes what it holds to `out`. Empty, with nothing written, when it is no tar,
/// plain or compressed once, or holds no entry: ADD copies such a file as it is. Error{invalid_input} for one that is damaged, exceeds `limits`
/// or DecompressionLimits, or holds what must not get into an image: names with "..", sockets, names that layers
/// keep for deletions, owners and times that nothing can hold. `out` holds a part of it then.
std::optional<Unpacked> unpack_archive(ByteReader& archive, ByteWriter& out, const layerstore::TarLimits& limits = {});

}  // namespace imgbuild::unpack
