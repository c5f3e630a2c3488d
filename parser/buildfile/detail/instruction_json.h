// SPDX-License-Identifier: Apache-2.0
#pragma once

// The JSON of one instruction: what all have in common, then the members of its kind.

#include "parser/instruction/instruction.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace imgbuild::parser::detail {

/// `text` as JSON can hold it: bytes that are no UTF-8 become U+FFFD.
std::string json_text(std::string_view text);
nlohmann::ordered_json json_range(Span span, const Source& source);

nlohmann::ordered_json instruction_json(const Instruction& instruction, const Source& source);

}  // namespace imgbuild::parser::detail
