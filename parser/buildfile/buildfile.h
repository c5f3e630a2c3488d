// SPDX-License-Identifier: Apache-2.0
#pragma once

// A Buildfile as a whole: global arguments, then stages. Names are looked up here, because the language has
// three ways to do it; nothing outside the file is known yet.

#include "parser/instruction/instruction.h"
#include "parser/source/diagnostic.h"
#include "parser/syntax/syntax_tree.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace imgbuild::parser {

struct Directive {
    std::string value;
    Span span;
};

struct Directives {
    std::optional<Directive> syntax;
    std::optional<Directive> check;
    char escape = '\\';
};

struct Stage {
    std::size_t index = 0;
    Instruction declaration;                ///< the FROM line; see from()
    std::vector<Instruction> instructions;  ///< never a From
    Span span;                              ///< from FROM to the end of the last instruction

    const From& from() const { return std::get<From>(declaration.body); }
    const std::optional<std::string>& name() const { return from().name; }
    /// The name, or "stage-N".
    std::string display_name() const;
};

struct Buildfile {
    Directives directives;
    std::vector<Instruction> global_args;  ///< each an Arg
    std::vector<Stage> stages;

    /// The last stage of that name, whatever the case: what --target and mounts see. Null when there is none.
    const Stage* find_stage(std::string_view name) const;
    /// The stage that `FROM name` in stage `index` means: the nearest one above with exactly that (lower-case)
    /// name. Null: it is an image or a context.
    const Stage* find_base_stage(std::string_view name, std::size_t index) const;
    /// The spelling of a stage name nearest to `name`.
    std::optional<std::string> nearest_stage_name(std::string_view name) const;
};

/// What a `from` names: a stage of the file or something outside it.
struct OutsideReference {
    std::string name;  ///< a named context or an image
};
using StageReference = std::variant<const Stage*, OutsideReference, Diagnostic>;

/// COPY --from=… in stage `index`: an index, the last stage of that name in the file, or something outside.
/// A stage that stands at or after `index` is a diagnostic.
StageReference resolve_copy_from(const Buildfile& buildfile, std::string_view from, std::size_t index, Span span);
/// RUN --mount=from=…: the same without indexes.
StageReference resolve_mount_from(const Buildfile& buildfile, std::string_view from, std::size_t index, Span span);
/// --target: a stage or, for an empty name, the last one; a diagnostic with a suggestion when there is none.
std::variant<const Stage*, Diagnostic> find_target(const Buildfile& buildfile, std::string_view name);

/// What the comment above a FROM or an ARG says of `name`: the rest of its first line that begins with "name ". Empty
/// where none does.
std::string_view description_of(const Instruction& instruction, std::string_view name);

struct ParseResult {
    Buildfile buildfile;  ///< what could be understood; to be built only if ok()
    SyntaxTree tree;
    Diagnostics diagnostics;

    bool ok() const noexcept { return !diagnostics.has_errors(); }
};

/// Parses a whole file; all its errors in one go. Warnings are the business of check_buildfile().
ParseResult parse_buildfile(const Source& source);

struct TriggerResult {
    std::optional<Instruction> instruction;
    Diagnostics diagnostics;
};

/// Parses the text of one ONBUILD trigger as an image config carries it. It stands in no file: everything is
/// placed at `span`, the FROM line that brought it.
TriggerResult parse_trigger(std::string_view text, Span span);

}  // namespace imgbuild::parser
