// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the groups of build checks share: the file, the options, and where warnings go.

#include "parser/buildfile/checks.h"

#include <string>
#include <string_view>

namespace imgbuild::parser::detail {

struct Checker {
    const Buildfile& buildfile;
    const CheckOptions& options;
    const CheckContext& context;
    Diagnostics& warnings;

    /// Adds a warning unless options or a comment above `instruction` silence the rule.
    void warn(std::string_view rule, const Instruction& instruction, Span span, std::string message,
              std::string hint = {});
};

/// Spelling of keywords, comments, forms that are deprecated, secrets.
void check_style(Checker& checker);
/// FROM lines: names, platforms, images.
void check_from(Checker& checker);
/// What the stages say in order, with the environment as it grows.
void check_stages(Checker& checker);

/// The global arguments with their defaults, and the predefined ones with those of a build for linux/amd64.
Environment default_globals(const Buildfile& buildfile);

}  // namespace imgbuild::parser::detail
