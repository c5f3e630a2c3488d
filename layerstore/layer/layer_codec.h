// SPDX-License-Identifier: Apache-2.0
#pragma once

// Between a TreeDelta and the tar of an OCI layer (image-spec layer.md), both ways.

#include <functional>
#include <string>
#include <vector>

#include "base/stream.h"
#include "layerstore/layer/tar_reader.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::layerstore {

/// Reads the tar of a layer that lies on `below`: whiteouts and opaque markers in any order, missing parents,
/// a path twice (the last one counts), hard links to this layer or to a file of a lower one. Names that leave
/// the root ("..") and links to what is not a file are Error{invalid_input}. Times are kept.
///
/// `on_file`, when given, sees the bytes of every regular file as it passes: (path, content so far), and an
/// empty span at its end. Reads to the very end of `tar`, also behind the end marker.
using FileBytes = std::function<void(const ImagePath&, std::span<const std::byte>)>;
TreeDelta read_layer(ByteReader& tar, const Tree& below, const std::string& what, const FileBytes& on_file = {});

/// Writes the canonical tar of `delta`, file bytes taken from `contents`.
void write_layer(const TreeDelta& delta, ContentSources& contents, ByteWriter& out);

/// Reads the tar of a layer once and hands the bytes of each file whose content is in `wanted` to the writer
/// that `take` returns for it; ends early when all were seen. Serves COPY from a base layer that is not
/// materialised. Error{corrupt} when one is missing.
using TakeContent = std::function<ByteWriter&(const Digest&)>;
void extract_contents(ByteReader& tar, const TreeDelta& delta, const std::vector<Digest>& wanted,
                      const std::string& what, const TakeContent& take);

}  // namespace imgbuild::layerstore
