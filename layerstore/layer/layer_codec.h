// SPDX-License-Identifier: Apache-2.0
#pragma once

// Between a TreeDelta and the tar of an OCI layer (image-spec layer.md), both ways.

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "base/stream.h"
#include "layerstore/layer/tar_reader.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::layerstore {

/// Sees the bytes of a regular file as they pass: (name as it stands in the archive, some bytes, null), and at its end
/// (name, nothing, the digest of them all).
using FileBytes = std::function<void(std::string_view, std::span<const std::byte>, const Digest*)>;

/// What the tar of a layer says, in its order, every file's content hashed: all that can be told without what lies
/// below, so that the layers of an image can be read side by side.
using LayerEntries = std::deque<TarEntry>;
/// Reads to the very end of `tar`, also behind the end marker.
LayerEntries read_layer_entries(ByteReader& tar, const std::string& what, const FileBytes& on_file = {});

/// The layer that `entries` make on `below`: whiteouts and opaque markers in any order, missing parents,
/// parents that are links, a path twice (the last one counts), hard links to this layer or to a file of a lower
/// one. Names that leave the root ("..") and links to what is not a file are Error{invalid_input}. Times are
/// kept.
TreeDelta make_layer(LayerEntries entries, const Tree& below, const std::string& what);
/// Both of these.
TreeDelta read_layer(ByteReader& tar, const Tree& below, const std::string& what, const FileBytes& on_file = {});

/// Writes the canonical tar of `delta` (docs/formats/layer.md), file bytes taken from `contents`.
void write_layer(const TreeDelta& delta, ContentSources& contents, ByteWriter& out);

/// The changes of a delta that are written as hard links, by index, with the path that they link to: all of a
/// group but its first.
using LinkTargets = std::map<std::ptrdiff_t, ImagePath>;
LinkTargets link_targets(const TreeDelta& delta);

/// All header blocks of one change of `delta`, markers included. Error{unsupported} for a name that layers keep
/// for deletions.
std::string layer_header(const TreeDelta& delta, const LinkTargets& targets, const Change& change);
/// True if file bytes (and padding) follow the header of `change`.
bool has_data(const LinkTargets& targets, const TreeDelta& delta, const Change& change);

}  // namespace imgbuild::layerstore
