// SPDX-License-Identifier: Apache-2.0
#pragma once

// OCI image layouts (image-spec image-layout.md) as directories: of other tools, of ours (-o type=oci), and
// the store itself. Reading trusts nothing: every document is verified by digest and size, links and what is
// no regular file are refused.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/directory.h"
#include "layerstore/blob/blob_store.h"
#include "layerstore/image/image.h"

namespace imgbuild::layerstore {

inline constexpr std::string_view annotation_ref_name = "org.opencontainers.image.ref.name";
inline constexpr std::string_view annotation_image_name = "io.containerd.image.name";
inline constexpr std::string_view layout_marker = R"({"imageLayoutVersion":"1.0.0"})";  ///< the file oci-layout
inline constexpr int max_index_levels = 8;
inline constexpr const char* index_lock_name = "index.json.lock";  ///< as BuildKit calls it

/// index.json of a layout. A missing file is Error{not_found} with what a layout must hold.
Index read_layout_index(const Directory& layout);
/// Its text, not read as JSON yet; what is no layout is refused in the same way.
std::string read_layout_index_text(const Directory& layout);
/// Replaces index.json; the caller holds the lock that its users agreed on.
void write_layout_index(const Directory& layout, const Index& index, Durability durability);
/// Makes oci-layout, blobs/sha256 and an empty index.json where missing.
void initialise_layout(const Directory& layout);

/// What ref.name holds, the annotation by which skopeo and its like select an image of a layout.
enum class RefName {
    tag,       ///< "1.0": in what is exported, as BuildKit writes it
    familiar,  ///< "app:1.0": in the store, where many images have the same tag
};

/// Puts `manifest` into `index` under `name`, replacing an entry of the same name, and where its ref.name is the
/// same and it names no image, that one. Without a name ref.name is "latest".
void set_name(Index& index, Descriptor manifest, const std::string& name, RefName style = RefName::tag);

/// The descriptor that `selector` names in a layout: a tag (ref.name or full name), "@sha256:…", or nothing
/// when the layout holds one image only. Error{not_found} lists what is there, Error{invalid_input} when two
/// different images have that name.
Descriptor find_in_layout(const Index& index, std::string_view selector, const std::string& what);

/// Follows `descriptor` (an index is searched for `platform`, at most max_index_levels deep) and reads manifest
/// and config from `blobs`, verified and checked. An image of another operating system is Error{invalid_input}.
Image read_image(const BlobStore& blobs, const Descriptor& descriptor, const Platform& platform,
                 const std::string& what);

/// Reads all images that `root` stands for as read_image() does, in the order of its index: itself, or what an index says
/// the platform of. What else an index holds (attestations) is left out.
std::vector<Image> read_images(const BlobStore& blobs, const Descriptor& root, const Platform& platform,
                               const std::string& what);

/// Calls `visit` for the manifest or index `root` and for every blob that it needs, each once; a document before it is
/// read, and what it names behind it. Error{invalid_input} for indexes nested deeper than max_index_levels.
void for_each_blob(const BlobStore& blobs, const Descriptor& root, const std::string& what,
                   const std::function<void(const Descriptor&)>& visit);

/// Copies a blob between stores unless it is there, verifying it.
void copy_blob(const BlobStore& from, const BlobStore& to, const Descriptor& blob, const std::string& what);

}  // namespace imgbuild::layerstore
