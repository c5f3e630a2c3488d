// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where blobs may already be: repositories that they were pushed to before, or that images of the store, or the bases
// of a build, are named after. A registry that has a blob in one of them need not be sent it.

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "layerstore/image/image.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder {

/// Thread-safe.
class KnownRepositories {
  public:
    /// The blobs of all images of the store that have a name, as far as their manifests can be read. Borrows the store,
    /// which is read at the first find().
    explicit KnownRepositories(layerstore::Store& store) : store_(store) {}

    /// That an image with these layers stands in the repository of `name`; nothing where that is no reference.
    void add(const std::string& name, const layerstore::Manifest& manifest);

    /// The repository of the registry `domain` that has the blob; "" where none is known.
    std::string find(const std::string& domain, const Digest& blob);

    /// That the blobs stand in `repository` now, "registry/path", for this process and for later ones.
    void remember(const std::string& repository, const std::vector<layerstore::Descriptor>& blobs);

  private:
    void read_store();

    layerstore::Store& store_;
    std::mutex mutex_;
    bool has_read_ = false;
    std::map<std::pair<std::string, Digest>, std::string> repositories_;  ///< by domain and blob
};

}  // namespace imgbuild::builder
