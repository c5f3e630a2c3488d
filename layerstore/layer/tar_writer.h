// SPDX-License-Identifier: Apache-2.0
#pragma once

// The canonical tar of imgbuild (docs/formats/layer.md): ustar headers, a pax header only for what ustar
// cannot hold, numeric owners, no user or group names, no atime or ctime. Equal entries give equal bytes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/image_path.h"
#include "layerstore/tree/entry.h"

namespace imgbuild::layerstore {

inline constexpr std::size_t tar_block = 512;
/// Names that image-spec layer.md keeps: of deletions, and of the marker inside an opaque directory.
inline constexpr std::string_view whiteout_prefix = ".wh.";
inline constexpr std::string_view opaque_marker_name = ".wh..wh..opq";

/// The header blocks of an entry; the data (entry.size bytes for files) and tar_padding() follow it. Names
/// of directories end in "/"; the root is "./".
std::string tar_header(const ImagePath& path, const Entry& entry);
/// The header of a hard link at `path` to `target`, which stands earlier in the same archive.
std::string tar_link_header(const ImagePath& path, const Entry& entry, const ImagePath& target);
/// The whiteout of `path` (image-spec layer.md): an empty file ".wh.NAME" beside it, 1970, 0:0, 0644.
std::string tar_whiteout(const ImagePath& path);
/// The marker inside `directory` that hides what lower layers have in it.
std::string tar_opaque_marker(const ImagePath& directory);

/// The name that a marker of a deletion stands for: "d/.wh.x" gives "d/x"; empty for every other name, the opaque marker
/// too. A marker may be longer than a file's name can be.
std::optional<std::string> whiteout_target(std::string_view tar_name);

/// Zero bytes that bring `size` to a whole number of blocks: 0 to 511.
constexpr std::size_t tar_padding(std::uint64_t size) noexcept {
    return static_cast<std::size_t>((tar_block - size % tar_block) % tar_block);
}
/// Two zero blocks.
std::string_view tar_end() noexcept;

}  // namespace imgbuild::layerstore
