// SPDX-License-Identifier: Apache-2.0
#pragma once

// One command without a namespace: chroot in a directory, an init that adopts what the command leaves and kills it.

#include "base/directory.h"
#include "builder/sandbox/cgroup.h"
#include "builder/sandbox/intercept/proc_answers.h"
#include "builder/sandbox/run_end.h"
#include "builder/sandbox/run_spec.h"
#include "builder/sandbox/run_streams.h"

namespace imgbuild::builder {

struct PlainLaunch {
    const RunSpec& spec;
    const Directory& root;  ///< becomes the root of the command
    const std::vector<StandIn>& stand_ins;
    LinkedFiles linked;          ///< files of the root whose names part when one of them is changed
    int working_directory = -1;  ///< inside it
    const RunStreams& streams;
    const Cgroup& cgroup;  ///< which the command runs in
    int watched = -1;      ///< a socket: when its other end closes or has finished sending, the command is killed
};

/// Where calls can be intercepted, /proc is answered for, else it is the static directory that stands there.
/// As launch(): when it returns or throws, nothing of the command is alive. The caller has one thread and no other
/// children.
RunEnd launch_plain(const PlainLaunch& what);

}  // namespace imgbuild::builder
