// SPDX-License-Identifier: Apache-2.0
#pragma once

// Indexes that are put together from images that exist: those of matrix builds, in the store or at registries
// (docs/registry.md, "Lists"). A list whose images all stand in the store is an index of the store as any other. One
// with images that are elsewhere is a draft: lists/HEX.json of the store, until it is pushed or taken away.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layerstore/image/image.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder {

struct ManifestList {
    std::string name;  ///< full reference
    layerstore::Index index;
    /// Where images are whose layers need not be in the store: by the digest of the manifest, "registry/repository".
    std::map<Digest, std::string> origins;

    /// Adds what a list may hold: an image that says its platform, or what is attested of an image. An image takes the
    /// place of the one for the same platform, whose attestations go with it; gives the digest of that one. Images
    /// stand before attestations, each in the order in which they came.
    std::optional<Digest> add(layerstore::Descriptor manifest);
    /// Takes an image away with what is attested of it. False where it is not there.
    bool remove(const Digest& manifest);
    layerstore::Descriptor* find(const Digest& manifest);

    /// The document, of the type that fits: Docker's where all images are of Docker's types and nothing is annotated,
    /// else OCI's.
    std::string encode() const;
};

/// The images and attestations that `root`, whose documents stand in `blobs`, brings to a list: of an index all of
/// them, or the image for `platform` with what is attested of it; an image with the platform of its config.
/// Error{invalid_input} for what is no image, Error{not_found} where none is for `platform`.
std::vector<layerstore::Descriptor> images_for_list(const layerstore::BlobStore& blobs,
                                                    const layerstore::Descriptor& root,
                                                    const std::optional<layerstore::Platform>& platform,
                                                    const std::string& what);

/// The lists of a store, which is borrowed.
class ManifestLists {
  public:
    explicit ManifestLists(layerstore::Store& store) : store_(store) {}

    /// The draft called `name`, else the index of the store. Error{usage} where the name is that of an image alone.
    std::optional<ManifestList> find(const std::string& name) const;
    /// As find(), Error{not_found} where there is none.
    ManifestList get(const std::string& name) const;
    /// True where a list has this name and its images are not all in the store.
    bool is_draft(const std::string& name) const;
    /// Keeps the list, and gives what its document is now, which stands in the store. An index that the store has under
    /// this name gives way to a draft.
    layerstore::Descriptor save(const ManifestList& list);
    /// False where there was none.
    bool remove(const std::string& name);

  private:
    std::optional<ManifestList> read_draft(const std::string& full_name) const;

    layerstore::Store& store_;
};

}  // namespace imgbuild::builder
