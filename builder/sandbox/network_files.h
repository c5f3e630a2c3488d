// SPDX-License-Identifier: Apache-2.0
#pragma once

// /etc/resolv.conf and /etc/hosts as a RUN sees them. Pure.

#include <string>
#include <string_view>

#include "builder/sandbox/run_spec.h"

namespace imgbuild::builder {

/// The host's file reduced to nameserver, search, domain and options lines; nothing without a network. In a network of
/// the command's own the resolver is the one of uplink.h, which stands for the host's, also for those on its loopback.
std::string resolv_conf_for(std::string_view host_file, NetworkMode network);

/// localhost, the sandbox's own name, and the added hosts in their order.
std::string hosts_for(const RunSpec& spec);

}  // namespace imgbuild::builder
