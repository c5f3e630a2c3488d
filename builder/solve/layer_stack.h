// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lays deltas down where the sandbox can mount them.

#include <mutex>
#include <unordered_set>
#include <vector>

#include "builder/solve/file_contents.h"
#include "builder/solve/node_result.h"
#include "builder/solve/services.h"

namespace imgbuild::builder {

class LayerStack {
  public:
    LayerStack(Services& services, FileContents& contents) : services_(services), contents_(contents) {}

    /// Lays every layer down and gives their ids, lowest first. With `first_seen_times`, what came from contexts has the
    /// times at which its content was first seen there, so that make and its like see what changed (decision 0008).
    std::vector<DeltaId> lay_down(const std::vector<StackLayer>& stack, bool first_seen_times);
    /// A tree of its own as one delta on nothing.
    DeltaId lay_down(const layerstore::TreeDelta& delta, layerstore::ContentSources& contents);
    /// Says that this build has just made what stands as `id`.
    void note(const DeltaId& id);

  private:
    void lay_down(const StackLayer& layer);
    DeltaId lay_down_first_seen(const StackLayer& layer);
    /// Finds out in one request which of `ids` stand. What was changed behind our back is taken away, so that it is
    /// laid down again, or its step done again.
    void look_at(std::vector<DeltaId> ids);
    bool stands(const DeltaId& id);

    Services& services_;
    FileContents& contents_;
    std::mutex mutex_;
    std::unordered_set<DeltaId> standing_;  ///< leased, and seen to stand unchanged: looked at once in a build
};

}  // namespace imgbuild::builder
