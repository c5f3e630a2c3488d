// SPDX-License-Identifier: Apache-2.0
#pragma once

// A base image as a tree and a stack of deltas. Its layers are read once, ever: later builds know what is in them and
// fetch the bytes only when a step or an output needs them.

#include "builder/cache/memos.h"
#include "builder/solve/file_contents.h"
#include "builder/solve/layer_stack.h"
#include "builder/solve/services.h"

namespace imgbuild::builder {

/// What is in the image; empty where that was never read.
std::optional<ImageContent> known_content(Services& services, const ResolvedImage& image);

/// Brings the layers, reads them, checks their diff IDs, and keeps what is in them. Error{invalid_input} naming image
/// and layer for what is no layer. Where later steps need the files themselves, `contents` is told where they are: one
/// pass over each layer then serves both. Else null.
ImageContent read_content(Services& services, const ResolvedImage& image, FileContents* contents);

/// Lays the image's layers down and gives them, lowest first.
std::vector<DeltaId> lay_down_image(const std::shared_ptr<const ResolvedImage>& image, Services& services,
                                    LayerStack& layers);

/// The uncompressed tar of a blob of the store, in any compression that layers have.
void read_layer_tar(const layerstore::BlobStore& blobs, const layerstore::Descriptor& blob, const std::string& what,
                    const std::function<void(ByteReader&)>& consume);

}  // namespace imgbuild::builder
