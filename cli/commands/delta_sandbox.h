// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reaches materialised deltas, whose files may belong to subordinate ids: for commands that look after the store.

#include <memory>
#include <optional>
#include <string>

#include "builder/sandbox/sandbox.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

/// Starts the sandbox at the first delta; where none can start, nothing can be reached.
class DeltaSandbox {
  public:
    /// `store` is borrowed.
    DeltaSandbox(layerstore::Store& store, std::optional<builder::RootMode> mode) : store_(store), mode_(mode) {}

    /// As layerstore::LookAtDelta and layerstore::RemoveDelta. A delta that was made by another way of running cannot
    /// be reached.
    std::optional<layerstore::DeltaLook> look(const std::string& spelling, const DeltaId& delta,
                                              const layerstore::TreeDelta& record);
    bool remove(const std::string& spelling, const DeltaId& delta);

  private:
    builder::Sandbox* sandbox_of(const std::string& spelling);

    layerstore::Store& store_;
    std::optional<builder::RootMode> mode_;
    std::unique_ptr<builder::Sandbox> sandbox_;
    bool can_start_ = true;
};

}  // namespace imgbuild::cli
