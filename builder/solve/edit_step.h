// SPDX-License-Identifier: Apache-2.0
#pragma once

// COPY, ADD and WORKDIR: the pure edits of builder/edit, with files to look into and archives to unpack.

#include <memory>

#include "builder/solve/file_contents.h"
#include "builder/solve/node_result.h"
#include "builder/solve/services.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

enum class SourceTimes {
    of_results,
    first_seen,  ///< of contexts: as NodeResult::first_seen has them, where it is there
};

struct EditOutcome {
    layerstore::TreeDelta delta;                              ///< complete for the root; times are those of the sources
    std::shared_ptr<layerstore::ContentSource> own_contents;  ///< of unpacked archives; null where there were none
};

/// Carries the edit of `node` out on `inputs`.
EditOutcome edit_files(const PlanNode& node, const std::vector<const NodeResult*>& inputs, Services& services,
                       FileContents& contents, SourceTimes times = SourceTimes::of_results);

/// Every heredoc of the plan, so that its content can be found whether its edit runs or not.
void add_inline_contents(const BuildPlan& plan, layerstore::MemoryContents& contents);

/// The archives that an edit, known from a memo, unpacks: null where it unpacks none.
std::shared_ptr<layerstore::ContentSource> archives_of(const PlanNode& node,
                                                       const std::vector<const NodeResult*>& inputs, Services& services,
                                                       FileContents& contents);

}  // namespace imgbuild::builder
