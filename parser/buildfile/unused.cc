// SPDX-License-Identifier: Apache-2.0
#include "parser/buildfile/unused.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>

#include "base/ascii.h"

namespace imgbuild::parser {
namespace {

// Each argument is looked for in the whole file: beyond this, what nobody wrote by hand would take its time.
constexpr std::size_t most_instructions = 1'000;

bool is_name_character(char c) { return is_letter(c) || is_digit(c) || c == '_'; }

bool names(std::string_view text, std::string_view name) {
    for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
        const std::size_t end = at + name.size();
        if ((at == 0 || !is_name_character(text[at - 1])) && (end == text.size() || !is_name_character(text[end])))
            return true;
    }
    return false;
}

class UnusedFinder {
  public:
    UnusedFinder(const Buildfile& buildfile, const Source& source) : buildfile_(buildfile), source_(source) {}

    std::vector<Unused> run(const Stage& target) {
        need(target);
        find_global_arguments();
        for (const Stage& stage : buildfile_.stages) {
            if (!needed_.contains(stage.index))
                found_.push_back({fmt::format("the target does not need the stage {}", stage.display_name()),
                                  stage.declaration.keyword_span});
            find_arguments(stage);
        }
        return std::move(found_);
    }

  private:
    void need(const Stage& stage);
    void need(const StageReference& reference);
    void find_global_arguments();
    void find_arguments(const Stage& stage);
    bool is_named(const ArgEntry& entry, const Instruction& instruction) const;
    bool is_used_in(const Stage& stage, std::size_t first, const ArgEntry& entry) const;

    std::string_view text_of(const Instruction& instruction) const {
        return std::string_view(source_.text())
            .substr(instruction.span.begin, instruction.span.end - instruction.span.begin);
    }

    const Buildfile& buildfile_;
    const Source& source_;
    std::set<std::size_t> needed_;
    std::vector<Unused> found_;
};

void UnusedFinder::need(const StageReference& reference) {
    if (const auto* stage = std::get_if<const Stage*>(&reference)) need(**stage);
}

void UnusedFinder::need(const Stage& stage) {
    if (!needed_.insert(stage.index).second) return;
    if (const Stage* base = buildfile_.find_base_stage(stage.from().image.text, stage.index)) need(*base);
    for (const Instruction& instruction : stage.instructions) {
        if (const auto* copy = std::get_if<Copy>(&instruction.body); copy && copy->from)
            need(resolve_copy_from(buildfile_, *copy->from, stage.index, copy->from_span));
        if (const auto* run = std::get_if<Run>(&instruction.body))
            for (const MountFlag& mount : run->mounts)
                if (mount.from) need(resolve_mount_from(buildfile_, *mount.from, stage.index, mount.from_span));
        // What a trigger names is resolved in the file that uses it: often this one.
        if (const auto* onbuild = std::get_if<Onbuild>(&instruction.body))
            for (const Stage& other : buildfile_.stages)
                if (other.name() && names(onbuild->trigger, *other.name())) need(other);
    }
}

bool UnusedFinder::is_named(const ArgEntry& entry, const Instruction& instruction) const {
    return names(text_of(instruction), entry.name);
}

// From instruction `first` of the stage on, and in all stages based on it.
bool UnusedFinder::is_used_in(const Stage& stage, std::size_t first, const ArgEntry& entry) const {
    for (std::size_t i = first; i < stage.instructions.size(); ++i) {
        const Instruction& instruction = stage.instructions[i];
        const bool may_read =
            std::holds_alternative<Run>(instruction.body) || std::holds_alternative<Onbuild>(instruction.body);
        if (may_read || is_named(entry, instruction)) return true;
    }
    return std::ranges::any_of(buildfile_.stages, [&](const Stage& other) {
        return buildfile_.find_base_stage(other.from().image.text, other.index) == &stage &&
               is_used_in(other, 0, entry);
    });
}

void UnusedFinder::find_arguments(const Stage& stage) {
    for (std::size_t i = 0; i < stage.instructions.size(); ++i) {
        const auto* arg = std::get_if<Arg>(&stage.instructions[i].body);
        if (!arg) continue;
        for (const ArgEntry& entry : arg->entries)
            // Several on one line may build on each other.
            if (arg->entries.size() == 1 && !is_used_in(stage, i + 1, entry))
                found_.push_back({fmt::format("nothing uses the ARG {}", entry.name), entry.span});
    }
}

void UnusedFinder::find_global_arguments() {
    for (std::size_t i = 0; i < buildfile_.global_args.size(); ++i) {
        for (const ArgEntry& entry : std::get<Arg>(buildfile_.global_args[i].body).entries) {
            if (entry.name == "SOURCE_DATE_EPOCH" || entry.name.starts_with("BUILDKIT_")) continue;
            const auto later = std::span(buildfile_.global_args).subspan(i + 1);
            const bool is_used =
                std::ranges::any_of(later, [&](const Instruction& other) { return is_named(entry, other); }) ||
                std::ranges::any_of(buildfile_.stages, [&](const Stage& stage) {
                    return is_named(entry, stage.declaration) ||
                           std::ranges::any_of(stage.instructions, [&](const Instruction& other) {
                               return std::holds_alternative<Arg>(other.body) && is_named(entry, other);
                           });
                });
            if (!is_used)
                found_.push_back(
                    {fmt::format("no FROM uses the ARG {}, and no stage takes it over", entry.name), entry.span});
        }
    }
}

}  // namespace

std::vector<Unused> find_unused(const Buildfile& buildfile, const Source& source, std::string_view target) {
    std::size_t count = buildfile.global_args.size();
    for (const Stage& stage : buildfile.stages) count += 1 + stage.instructions.size();
    if (count > most_instructions) return {};
    const auto found = find_target(buildfile, target);
    const auto* stage = std::get_if<const Stage*>(&found);
    return stage ? UnusedFinder(buildfile, source).run(**stage) : std::vector<Unused>();
}

}  // namespace imgbuild::parser
