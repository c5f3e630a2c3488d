// SPDX-License-Identifier: Apache-2.0
#pragma once

// What stands at /proc where none can be mounted: a directory of files as they were when the command started. Where
// calls can be intercepted (intercept/), it only is what a listing shows, and what a path through it is opened by.

#include "base/directory.h"

namespace imgbuild::builder {

/// Fills an empty directory: what every process sees of the machine, copied from our own /proc, and of itself what can
/// be said without knowing who asks.
void write_static_proc(const Directory& out);

}  // namespace imgbuild::builder
