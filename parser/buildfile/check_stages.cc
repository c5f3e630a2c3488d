// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "parser/buildfile/detail/checker.h"
#include "parser/instruction/values.h"
#include "parser/source/path_text.h"

namespace imgbuild::parser::detail {
namespace {

/// What a stage hands to the stages built on it, as far as the checks care.
struct StageState {
    std::optional<Environment> environment;  ///< empty: the base image's is not known
    bool has_shell = false;
    bool has_workdir = false;
};

/// Walks one stage in order; the state is the base's at first.
class StageWalker {
  public:
    StageWalker(Checker& checker, const Environment& globals, StageState& state)
        : checker_(checker), globals_(globals), state_(state) {}

    void walk(const Stage& stage) {
        for (const Instruction& instruction : stage.instructions) {
            instruction_ = &instruction;
            std::visit([&](const auto& body) { visit(body); }, instruction.body);
        }
        check_repeats(stage);
    }

  private:
    void visit(const From&) {}
    void visit(const Run& run);
    void visit(const Cmd& cmd) { check_json_form(cmd.command); }
    void visit(const Entrypoint& entrypoint) { check_json_form(entrypoint.command); }
    void visit(const Env& env);
    void visit(const Label& label);
    void visit(const Expose& expose);
    void visit(const Add& add) { check_transfer(add, true); }
    void visit(const Copy& copy) { check_transfer(copy, !copy.from); }
    void visit(const Volume& volume);
    void visit(const User& user) { value_of(user.name); }
    void visit(const Workdir& workdir);
    void visit(const Arg& arg);
    void visit(const Onbuild&) {}
    void visit(const Stopsignal& signal) { value_of(signal.signal); }
    void visit(const Healthcheck&) {}
    void visit(const Shell&) { state_.has_shell = true; }
    void visit(const Maintainer&) {}

    /// By reference: a copy for each word would cost the square of a long file.
    const Environment& environment() const {
        static const Environment unknown;
        return state_.environment ? *state_.environment : unknown;
    }
    std::optional<std::string> value_of(const Word& word);
    void report_undefined(const std::vector<std::string>& names, Span span);
    void check_transfer(const Transfer& transfer, bool from_context);
    void check_ignored(const std::string& source, Span span);
    void check_json_form(const Command& command);
    void check_port(const std::string& port, Span span);
    void check_repeats(const Stage& stage);

    Checker& checker_;
    const Environment& globals_;
    StageState& state_;
    const Instruction* instruction_ = nullptr;
};

void StageWalker::report_undefined(const std::vector<std::string>& names, Span span) {
    if (!state_.environment || !is_enabled("UndefinedVar", checker_.options, *instruction_)) return;
    for (const std::string& name : names) {
        // The nearest name costs a look at all of them: not for a warning that will only be counted.
        const bool counted_only = checker_.warnings.size() == Diagnostics::max_kept;
        checker_.warnings.add(counted_only ? make_warning("UndefinedVar", span, {})
                                           : undefined_variable(name, *state_.environment, span));
    }
}

/// The expansion, if the environment is known well enough for it; reports undefined variables.
std::optional<std::string> StageWalker::value_of(const Word& word) {
    if (!state_.environment && has_variables(word)) return std::nullopt;
    Expansion expansion = expand(word, environment());
    report_undefined(expansion.undefined, word.span);
    if (!expansion.ok() || !expansion.undefined.empty()) return std::nullopt;
    return std::move(expansion.text);
}

void StageWalker::visit(const Run& run) {
    if (!state_.environment) return;
    for (const MountFlag& mount : run.mounts) {
        report_undefined(resolve_mount(mount, *state_.environment).undefined, mount.span);
    }
}

void StageWalker::visit(const Env& env) {
    std::vector<std::pair<std::string, std::string>> values;
    for (const KeyValue& pair : env.pairs) {
        const std::optional<std::string> key = value_of(pair.key);
        const std::optional<std::string> value = value_of(pair.value);
        if (key) values.emplace_back(*key, value.value_or(""));
    }
    if (!state_.environment) return;
    for (auto& [key, value] : values) state_.environment->set(key, std::move(value));
}

void StageWalker::visit(const Label& label) {
    for (const KeyValue& pair : label.pairs) {
        value_of(pair.key);
        value_of(pair.value);
    }
}

void StageWalker::visit(const Arg& arg) {
    if (!state_.environment) return;
    for (const ArgEntry& entry : arg.entries) {
        std::optional<std::string> value;
        if (entry.default_value) value = value_of(*entry.default_value).value_or("");
        if (const auto global = globals_.find(entry.name); !value && global) value = std::string(*global);
        state_.environment->declare(entry.name);
        if (value) state_.environment->set(entry.name, std::move(*value));
    }
}

void StageWalker::visit(const Volume& volume) {
    for (const Word& path : volume.paths) value_of(path);
}

void StageWalker::visit(const Workdir& workdir) {
    const std::optional<std::string> path = value_of(workdir.path);
    if (std::exchange(state_.has_workdir, true) || !path || path->starts_with('/')) return;
    checker_.warn("WorkdirRelativePath", *instruction_, workdir.path.span,
                  fmt::format("Relative workdir \"{}\" can have unexpected results if the base image changes", *path),
                  "begin it with a slash");
}

void StageWalker::visit(const Expose& expose) {
    for (const Word& word : expose.ports) {
        if (!state_.environment && has_variables(word)) continue;
        const Expansion expansion = expand_words(word, environment());
        report_undefined(expansion.undefined, word.span);
        for (const std::string& port : expansion.words) check_port(port, word.span);
    }
}

void StageWalker::check_port(const std::string& port, Span span) {
    const std::variant<PortRange, ValueError> parsed = parse_port_range(port);
    const PortRange* range = std::get_if<PortRange>(&parsed);
    if (!range) return;
    if (range->protocol_in_capitals) {
        checker_.warn("ExposeProtoCasing", *instruction_, span,
                      fmt::format("Defined protocol '{}' in EXPOSE instruction should be lowercase", port));
    }
    if (range->has_host_part) {
        checker_.warn(
            "ExposeInvalidFormat", *instruction_, span,
            fmt::format("EXPOSE instruction should not define an IP address or host-port mapping, found '{}'", port),
            "whoever starts a container decides where its ports are reachable");
    }
}

void StageWalker::check_transfer(const Transfer& transfer, bool from_context) {
    if (transfer.chown) value_of(*transfer.chown);
    if (transfer.chmod) value_of(*transfer.chmod);
    for (const Word& source : transfer.sources) {
        const std::optional<std::string> value = value_of(source);
        if (value && from_context) check_ignored(*value, source.span);
    }
    for (const Heredoc& heredoc : transfer.heredocs) value_of(heredoc.content());
    value_of(transfer.destination);
}

void StageWalker::check_ignored(const std::string& source, Span span) {
    const IgnoreRules* ignore = checker_.context.ignore;
    if (!ignore || ignore->empty() || ignore->has_exceptions()) return;
    if (is_http_url(source) || is_git_url(source)) return;
    // A source is taken below the root of the context, however it is written.
    const std::string path = clean_path("/" + source).substr(1);
    const auto hides_all = [](const IgnoreRule& rule) {
        return rule.pattern == "*" || rule.pattern == "**" || rule.pattern == "**/*";
    };
    const IgnoreVerdict verdict = path.empty() ? IgnoreVerdict{} : ignore->match(path);
    if (!verdict.ignored && !(path.empty() && std::ranges::any_of(ignore->rules(), hides_all))) return;
    checker_.warn("CopyIgnoredFile", *instruction_, span,
                  fmt::format("Attempting to {} file \"{}\" that is excluded by .dockerignore",
                              std::holds_alternative<Add>(instruction_->body) ? "Add" : "Copy", source),
                  path.empty() ? "" : fmt::format("line {} of the ignore file hides it", verdict.line));
}

void StageWalker::check_json_form(const Command& command) {
    if (command.exec || state_.has_shell) return;
    checker_.warn("JSONArgsRecommended", *instruction_, instruction_->span,
                  fmt::format("JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
                              canonical_keyword(instruction_->body)),
                  "write [\"program\", \"argument\"]; the shell does not pass signals on");
}

/// Of CMD, ENTRYPOINT and HEALTHCHECK the last one counts; the warning stands at the ones before.
void StageWalker::check_repeats(const Stage& stage) {
    constexpr std::array<std::string_view, 3> once{"CMD", "ENTRYPOINT", "HEALTHCHECK"};
    std::array<const Instruction*, once.size()> latest{};
    for (const Instruction& instruction : stage.instructions) {
        const std::string_view keyword = canonical_keyword(instruction.body);
        const auto kind = std::ranges::find(once, keyword);
        if (kind == once.end()) continue;
        const Instruction* earlier = std::exchange(latest[static_cast<std::size_t>(kind - once.begin())], &instruction);
        if (!earlier) continue;
        checker_.warn("MultipleInstructionsDisallowed", *earlier, earlier->span,
                      fmt::format("Multiple {} instructions should not be used in the same stage because only the last "
                                  "one will be used",
                                  keyword));
    }
}

/// The environment of a base that is no stage, with what every stage has; empty when it is not known.
std::optional<Environment> base_environment(const Checker& checker, const Stage& stage, std::string_view base) {
    std::optional<Environment> environment;
    if (base == "scratch") {
        environment.emplace();
    } else if (checker.context.base_environment) {
        if (const Environment* known = checker.context.base_environment(stage)) environment = *known;
    }
    if (!environment) return std::nullopt;
    constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    if (!environment->find("PATH")) environment->set("PATH", std::string(default_path));
    for (const std::string_view name : {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}) {
        environment->declare(name);
        environment->declare(to_lower(name));
    }
    return environment;
}

}  // namespace

void check_stages(Checker& checker) {
    const Environment globals = default_globals(checker.buildfile);
    std::vector<StageState> states;
    for (const Stage& stage : checker.buildfile.stages) {
        const Expansion base = expand(stage.from().image, globals);
        const Stage* parent = base.ok() ? checker.buildfile.find_base_stage(base.text, stage.index) : nullptr;
        StageState state = parent ? states[parent->index] : StageState{};
        if (!parent) state.environment = base_environment(checker, stage, base.text);
        StageWalker(checker, globals, state).walk(stage);
        states.push_back(std::move(state));
    }
}

}  // namespace imgbuild::parser::detail
