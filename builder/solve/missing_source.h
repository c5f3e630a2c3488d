// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user is told whose COPY or ADD names what is not there.

#include <string>

#include "builder/plan/build_plan.h"
#include "builder/solve/node_result.h"
#include "builder/solve/services.h"

namespace imgbuild::builder {

/// The hint of that error: the nearest name that stands beside it, where it was looked for, and the rule of the ignore
/// file that hides it, if one does. Never throws for what cannot be read.
std::string explain_missing(const TransferSource& source, const NodeResult& input, const Services& services);

}  // namespace imgbuild::builder
