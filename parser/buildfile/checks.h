// SPDX-License-Identifier: Apache-2.0
#pragma once

// Build checks: advice about a Buildfile that parses. Which checks count is said by `# check=` directives.
// Here are all that need the file only; UndefinedVar needs the environment of base images and comes from
// undefined_variable(), InvalidBaseImagePlatform from the planner. filter() applies to those as well.

#include "parser/buildfile/buildfile.h"
#include "parser/ignore/ignore_rules.h"
#include "parser/source/diagnostic.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::parser {

/// `skip=A,B|all;error=true|false;experimental=A|all`
struct CheckOptions {
    std::vector<std::string> skip;          ///< rule names; "all" is all
    std::vector<std::string> experimental;  ///< rule names switched on; "all" is all
    bool error = false;                     ///< warnings fail the build

    bool skips(std::string_view rule) const;
};

/// Reads the value of the directive or of the build argument BUILDKIT_DOCKERFILE_CHECK.
CheckOptions parse_check_options(std::string_view value, Span span, Diagnostics& diagnostics);

/// What the checks may ask about the world outside the file.
struct CheckContext {
    /// True if the text is a valid image reference: InvalidDefaultArgInFrom.
    std::function<bool(std::string_view)> is_image_reference;
    /// The environment of a stage whose base is an image; null when it is not known: UndefinedVar is then left
    /// out for that stage and those built on it.
    std::function<const Environment*(const Stage&)> base_environment;
    /// Of the context; may be null: CopyIgnoredFile.
    const IgnoreRules* ignore = nullptr;
};

/// All warnings of the file, in the order of its lines, with `options` and the comments above instructions
/// applied. Of a file with errors: those of its good part.
Diagnostics check_buildfile(const Buildfile& buildfile, const CheckOptions& options, const CheckContext& context = {});

/// True if `options` and the comments above `instruction` let `rule` speak.
bool is_enabled(std::string_view rule, const CheckOptions& options, const Instruction& instruction);

/// "lint violation found for rules: A, B", each rule once; empty when there are no warnings.
std::string violation_summary(const Diagnostics& warnings);

/// A warning of a named rule with its URL.
Diagnostic make_warning(std::string_view rule, Span span, std::string message, std::string hint = {});

/// What the rule is about, for JSON output; empty for an unknown rule.
std::string_view rule_description(std::string_view rule) noexcept;

}  // namespace imgbuild::parser
