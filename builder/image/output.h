// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a finished image goes besides the store: layouts and archives (image-spec image-layout.md), and its file tree
// as a directory or a tar. A destination appears whole or not at all, but for a directory that existed before.

#include <string>
#include <vector>

#include "base/stream.h"
#include "layerstore/blob/blob_store.h"
#include "layerstore/image/archive.h"
#include "layerstore/image/image.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"

namespace imgbuild::builder {

/// Adds the image to the OCI layout at `path`, made where missing: blobs first, then index.json. `names` are full
/// references, may be empty.
void write_layout(const layerstore::Image& image, const std::vector<std::string>& names,
                  const layerstore::BlobStore& blobs, const std::string& path);

/// The same for a manifest or index `root`, with all images of an index.
void write_layout(const layerstore::Descriptor& root, const std::vector<std::string>& names,
                  const layerstore::BlobStore& blobs, const std::string& path);

/// The image as one file, `path` or "-" for standard output.
void write_image_archive(const layerstore::Image& image, const std::vector<std::string>& names,
                         const layerstore::BlobStore& blobs, layerstore::ArchiveFormat format, const std::string& path);

/// A manifest or index `root` as one file, with all images of an index; `loadable` as in layerstore::write_archive().
void write_image_archive(const layerstore::Descriptor& root, const std::vector<std::string>& names,
                         const layerstore::BlobStore& blobs, const std::string& path,
                         const layerstore::Image* loadable = nullptr);

/// Several images as one file.
void write_image_archive(const std::vector<layerstore::ArchivedImage>& images, const layerstore::BlobStore& blobs,
                         const std::string& path);

/// What an image is called in index.json: with the time that it was made.
layerstore::Descriptor listed_descriptor(const layerstore::Image& image);

/// The file tree as a tar, `path` or "-" for standard output.
void write_tree_archive(const layerstore::Tree& tree, layerstore::ContentSources& contents, const std::string& path);

/// What becomes of files in a directory that a tree does not have.
enum class OtherFiles { keep, remove };

/// The file tree into the directory `path`, made where missing, over what stands there: files and links are replaced,
/// directories merged, and what the tree does not have stays or goes. Links in `path` are never followed. Owners and
/// device nodes only as root, times always. Error{usage} for a directory that nobody wants emptied: the root, the home
/// of the user, and one that we are in.
void write_tree_directory(const layerstore::Tree& tree, layerstore::ContentSources& contents, const std::string& path,
                          OtherFiles unlisted = OtherFiles::keep);

}  // namespace imgbuild::builder
