// SPDX-License-Identifier: Apache-2.0
#include "parser/buildfile/buildfile.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace imgbuild::parser {
namespace {

/// What differs between COPY --from and RUN --mount=from: how a stage further down is refused.
using LateStageMessage = std::string (*)(const Stage& wanted, const Stage& current);

std::string late_copy(const Stage& wanted, const Stage& current) {
    return fmt::format("cannot copy from stage \"{}\", it needs to be defined before current stage \"{}\"",
                       wanted.display_name(), current.display_name());
}

std::string late_mount(const Stage& wanted, const Stage&) {
    return fmt::format("cannot mount from stage \"{}\", stage needs to be defined before current command",
                       wanted.display_name());
}

StageReference earlier_stage(const Buildfile& buildfile, const Stage& wanted, std::size_t index, Span span,
                             LateStageMessage message) {
    if (wanted.index < index) return &wanted;
    if (wanted.index == index) {
        return make_error(span, fmt::format("circular dependency detected on stage: {}", wanted.display_name()),
                          "a stage cannot take files from itself");
    }
    return make_error(span, message(wanted, buildfile.stages[index]), "move that stage above this one");
}

}  // namespace

std::string Stage::display_name() const { return name().value_or(fmt::format("stage-{}", index)); }

const Stage* Buildfile::find_stage(std::string_view name) const {
    const std::string lower = to_lower(name);
    return find_base_stage(lower, stages.size());
}

const Stage* Buildfile::find_base_stage(std::string_view name, std::size_t index) const {
    for (std::size_t above = std::min(index, stages.size()); above > 0; --above) {
        if (stages[above - 1].name() == name) return &stages[above - 1];
    }
    return nullptr;
}

std::optional<std::string> Buildfile::nearest_stage_name(std::string_view name) const {
    std::vector<std::string> names;
    for (const Stage& stage : stages) {
        if (stage.name()) names.push_back(*stage.name());
    }
    return nearest(name, names);
}

StageReference resolve_copy_from(const Buildfile& buildfile, std::string_view from, std::size_t index, Span span) {
    const bool negative = from.starts_with('-');
    if (const std::optional<std::uint64_t> number = parse_unsigned(from.substr(negative ? 1 : 0))) {
        if (!negative && *number < buildfile.stages.size())
            return earlier_stage(buildfile, buildfile.stages[*number], index, span, late_copy);
        return make_error(
            span, fmt::format("invalid stage index {}", from),
            fmt::format("the file has {}, counted from 0", counted(buildfile.stages.size(), "stage", "stages")));
    }
    const Stage* stage = buildfile.find_stage(from);
    if (!stage) return OutsideReference{std::string(from)};
    return earlier_stage(buildfile, *stage, index, span, late_copy);
}

StageReference resolve_mount_from(const Buildfile& buildfile, std::string_view from, std::size_t index, Span span) {
    const Stage* stage = buildfile.find_stage(from);
    if (!stage) return OutsideReference{std::string(from)};
    return earlier_stage(buildfile, *stage, index, span, late_mount);
}

std::variant<const Stage*, Diagnostic> find_target(const Buildfile& buildfile, std::string_view name) {
    if (name.empty() && !buildfile.stages.empty()) return &buildfile.stages.back();
    if (const Stage* stage = buildfile.find_stage(name)) return stage;
    const std::optional<std::string> near = buildfile.nearest_stage_name(name);
    return make_error({}, fmt::format("target stage \"{}\" could not be found", name),
                      near ? fmt::format("did you mean {}?", *near) : "a target is the name behind AS in a FROM line");
}

std::string_view description_of(const Instruction& instruction, std::string_view name) {
    for (const std::string_view comment : instruction.comments)
        if (comment.starts_with(name) && comment.substr(name.size()).starts_with(' '))
            return comment.substr(name.size() + 1);
    return {};
}

}  // namespace imgbuild::parser
