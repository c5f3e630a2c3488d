// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bounded decompression for comparers of formats that hold compressed parts.

#include <optional>
#include <string>
#include <string_view>

#include "base/compression.h"
#include "builder/compare/detail/findings.h"

namespace imgbuild::builder::detail {

/// The bytes inside, paid from the budget of `findings`; empty where they are damaged or too many.
std::optional<std::string> unpack(std::string_view packed, Compression compression, Findings& findings);

}  // namespace imgbuild::builder::detail
