// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a scanner said, as a statement about an image.

#include <string>
#include <vector>

#include "builder/attest/statement.h"

namespace imgbuild::builder {

/// `report` is a statement with a predicate of SPDX; its subjects are replaced. Error{invalid_input} names `what` where
/// it is none.
Statement make_sbom(std::string_view report, const std::vector<Subject>& subjects, const std::string& what);

}  // namespace imgbuild::builder
