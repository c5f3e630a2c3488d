// SPDX-License-Identifier: Apache-2.0
#pragma once

// One command in namespaces of its own: an init that carries the mount plan out, starts the command, reaps what
// it leaves and ends with it, whereupon the kernel kills everything else inside.

#include <vector>

#include "builder/sandbox/cgroup.h"
#include "builder/sandbox/mount_executor.h"
#include "builder/sandbox/mount_plan.h"
#include "builder/sandbox/run_end.h"
#include "builder/sandbox/run_spec.h"
#include "builder/sandbox/run_streams.h"

namespace imgbuild::builder {

struct Launch {
    const RunSpec& spec;
    const MountPlan& plan;
    const SandboxFolders& folders;
    const RunStreams& streams;
    const Cgroup& cgroup;  ///< which the command runs in
    int watched = -1;      ///< a socket: when its other end closes or has finished sending, the command is killed
};

struct LaunchOutcome {
    RunEnd end;
    std::vector<MountStub> stubs;
};

/// Runs to the end: when it returns or throws, nothing of the sandbox is alive. A sandbox that cannot be built
/// is an Error; a command that cannot be started ends with 127 or 126 and says why in the log, as a shell
/// does. Error{interrupted} when `watched` said so. The caller has one thread.
LaunchOutcome launch(const Launch& what);

}  // namespace imgbuild::builder
