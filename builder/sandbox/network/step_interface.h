// SPDX-License-Identifier: Apache-2.0
#pragma once

// The interfaces of a network namespace of a command's own, made by its init.

#include "base/fd.h"

namespace imgbuild::builder {

/// Brings lo up. Throws Error.
void bring_loopback_up();

/// Brings lo up and makes an interface eth0 with the addresses of uplink.h, all frames of which go through the
/// descriptor. It stays when the descriptor is closed, until the namespace ends: taking one interface away costs thirty
/// milliseconds, which nobody waits for then. Throws Error.
Fd make_step_interface(bool has_ipv6);

}  // namespace imgbuild::builder
