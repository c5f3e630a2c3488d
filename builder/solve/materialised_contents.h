// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files of a materialised delta by digest.

#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "builder/sandbox/sandbox.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

/// Where a file is missing or holds other bytes than its record says, the delta is taken away, so that its step is
/// done again, and BytesMissing thrown. Files are opened in batches, because each request costs the sandbox a process, and whoever packs a delta asks for
/// its files in the order of their paths.
class MaterialisedContents final : public layerstore::ContentSource {
  public:
    /// `sandbox` is borrowed and has `id` whole.
    MaterialisedContents(Sandbox& sandbox, const DeltaId& id, const layerstore::TreeDelta& delta);

    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override;

  private:
    Fd take(std::size_t position);

    Sandbox& sandbox_;
    DeltaId id_;
    std::vector<ImagePath> paths_;                        ///< one for each content, in path order
    std::unordered_map<Digest, std::size_t> by_content_;  ///< into paths_
    std::mutex mutex_;
    std::map<std::size_t, Fd> opened_;  ///< ahead of their use
};

}  // namespace imgbuild::builder
