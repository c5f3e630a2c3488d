// SPDX-License-Identifier: Apache-2.0
#pragma once

// OCI image layouts (image-spec image-layout.md) as directories: of other tools, of ours (-o type=oci), and
// the store itself. Reading trusts nothing: every document is verified by digest and size.

#include <optional>
#include <string>
#include <vector>

#include "base/directory.h"
#include "layerstore/blob/blob_store.h"
#include "layerstore/image/image.h"

namespace imgbuild::layerstore {

inline constexpr std::string_view annotation_ref_name = "org.opencontainers.image.ref.name";
inline constexpr std::string_view annotation_image_name = "io.containerd.image.name";

/// index.json of a layout. A missing file is Error{not_found} with what a layout must hold.
Index read_layout_index(const Directory& layout);
/// Replaces index.json; the caller holds the lock that its users agreed on.
void write_layout_index(const Directory& layout, const Index& index, Durability durability);
/// Makes oci-layout, blobs/sha256 and an empty index.json where missing.
void initialise_layout(const Directory& layout);

/// Puts `manifest` into `index` under `name`, replacing an entry of the same name. Annotations as BuildKit sets
/// them: the full name, and its tag as ref.name; without a name ref.name is "latest".
void set_name(Index& index, Descriptor manifest, const std::string& name);

/// The descriptor that `selector` names in a layout: a tag (ref.name or full name), "@sha256:…", or nothing
/// when the layout holds one image only. Error{not_found} lists what is there.
Descriptor find_in_layout(const Index& index, std::string_view selector, const std::string& what);

/// Follows `descriptor` (an index is searched for `platform`, at most 8 levels deep) and reads manifest and
/// config from `blobs`, verified.
Image read_image(const BlobStore& blobs, const Descriptor& descriptor, const Platform& platform,
                 const std::string& what);

/// Copies a blob between stores unless it is there, verifying it.
void copy_blob(const BlobStore& from, const BlobStore& to, const Descriptor& blob, const std::string& what);

}  // namespace imgbuild::layerstore
