// SPDX-License-Identifier: Apache-2.0
#pragma once

// A RUN where nothing can be mounted: a plain directory as its root, and what changed in it told by comparing.

#include <optional>

#include "base/temporary_directory.h"
#include "builder/sandbox/cgroup.h"
#include "builder/sandbox/delta_folder.h"
#include "builder/sandbox/mount_plan.h"
#include "builder/sandbox/plain/plain_roots.h"
#include "builder/sandbox/run_end.h"
#include "builder/sandbox/run_streams.h"
#include "layerstore/snapshot/plain_tree.h"

namespace imgbuild::builder {

/// What one command is run with; all is borrowed.
struct PlainCommand {
    const RunSpec& spec;
    const MountPlan& plan;
    const std::vector<std::string>& caches;  ///< directories of the cache mounts, as RunSpec::caches
    const RunStreams& streams;
    const Cgroup& cgroup;
    int watched = -1;
};

class PlainRun {
  public:
    /// All are borrowed; `upper` is the name in `work` of the layer that collect() makes.
    PlainRun(const DeltaFolder& deltas, const Directory& work, const RunSpec& spec, const StopCheck& stop);

    /// Runs a command to its end, `plan` being carried out around it: that of the specification that this was made for,
    /// or another one in the state that it left.
    RunEnd run(const PlainCommand& command);
    /// Writes what the command changed into the empty directory `upper`, in plain spelling.
    void collect(const Directory& upper) const;
    /// Keeps the root for the next command, once what changed was kept as `delta` and stands as `id`.
    void keep_root(const layerstore::TreeDelta& delta, const DeltaId& id) const;

  private:
    void lay_down_mounts(const RunSpec& spec) const;

    const DeltaFolder& deltas_;
    const Directory& work_;
    const RunSpec& spec_;
    StopCheck stop_;
    PlainRoots roots_;
    Directory root_;
    layerstore::TreeLook before_;
};

}  // namespace imgbuild::builder
