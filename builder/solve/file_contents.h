// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the bytes of a result's files lie.

#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "builder/edit/accounts.h"
#include "builder/remote/spooled_tar.h"
#include "builder/solve/node_result.h"
#include "builder/solve/services.h"
#include "layerstore/tree/content_source.h"

namespace imgbuild::builder {

class FileContents {
  public:
    explicit FileContents(Services& services) : services_(services) {}

    /// Says that `files` holds every file of a delta.
    void add(const DeltaId& delta, std::shared_ptr<layerstore::ContentSource> files);

    /// Sources for every file of one layer.
    std::shared_ptr<layerstore::ContentSources> of_layer(const StackLayer& layer);
    /// Sources for every file of the whole tree of `result`.
    std::shared_ptr<layerstore::ContentSources> of_tree(const NodeResult& result);

    /// A file of the result's tree, at most `limit` bytes; empty where no regular file stands at `path` (links are
    /// followed inside the tree) or it is larger.
    std::optional<std::string> read_file(const NodeResult& result, const ImagePath& path, std::uint64_t limit);
    AccountFiles account_files(const NodeResult& result);

  private:
    using Seen = std::set<const NodeResult*>;

    std::shared_ptr<layerstore::ContentSource> of_delta(const StackLayer& layer);
    std::shared_ptr<layerstore::ContentSource> open_delta(const StackLayer& layer);
    std::shared_ptr<layerstore::ContentSource> open_base_layer(const StackLayer& layer);
    void add_layer(const StackLayer& layer, layerstore::ContentSources& sources, Seen& seen);
    void add_tree(const NodeResult& result, layerstore::ContentSources& sources, Seen& seen);

    Services& services_;
    std::mutex mutex_;
    std::map<DeltaId, std::shared_ptr<layerstore::ContentSource>> deltas_;
};

}  // namespace imgbuild::builder
