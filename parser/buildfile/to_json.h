// SPDX-License-Identifier: Apache-2.0
#pragma once

// The document that `imgbuild parse FILE` prints: docs/formats/parse-json.md. Deterministic: members have a
// fixed order, and nothing but the text takes part.

#include "parser/buildfile/buildfile.h"

#include <nlohmann/json_fwd.hpp>

namespace imgbuild::parser {

/// Directives, stages and instructions as they were understood, the syntax tree and the diagnostics. Bytes
/// that are no UTF-8 appear as U+FFFD.
nlohmann::ordered_json to_json(const ParseResult& result, const Source& source);

/// The part of to_json() under "tree".
nlohmann::ordered_json to_json(const SyntaxTree& tree, const Source& source);

/// One diagnostic with its rule, severity, range and texts.
nlohmann::ordered_json to_json(const Diagnostic& diagnostic, const Source& source);

}  // namespace imgbuild::parser
