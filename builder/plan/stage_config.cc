// SPDX-License-Identifier: Apache-2.0
// The instructions that change the image's config and no file.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "builder/plan/stage_planner.h"
#include "parser/instruction/values.h"

namespace imgbuild::builder {
namespace {

using Strings = std::vector<std::string>;

// As Go prints a list of strings with %q.
std::string quoted_list(const Strings& words) {
    Strings quoted;
    for (const std::string& word : words) {
        std::string text = "\"";
        for (char c : word) {
            if (c == '"' || c == '\\') text += '\\';
            if (c == '\n')
                text += "\\n";
            else if (c == '\t')
                text += "\\t";
            else
                text += c;
        }
        quoted.push_back(text + "\"");
    }
    return fmt::format("[{}]", fmt::join(quoted, " "));
}

// As Go prints a duration.
std::string go_duration(std::int64_t nanoseconds) {
    if (nanoseconds == 0) return "0s";
    if (nanoseconds % 1'000'000 != 0 || nanoseconds < 1'000'000'000) return fmt::format("{}ms", nanoseconds / 1e6);
    std::int64_t whole = nanoseconds / 1'000'000'000;
    double seconds = static_cast<double>(whole % 60) + static_cast<double>(nanoseconds % 1'000'000'000) / 1e9;
    std::string text;
    if (whole >= 3600) text += fmt::format("{}h", whole / 3600);
    if (whole >= 60) text += fmt::format("{}m", whole / 60 % 60);
    return text + fmt::format("{}s", seconds);
}

std::string pairs_text(std::string_view keyword, const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::string text(keyword);
    for (const auto& [key, value] : pairs) text += fmt::format(" {}={}", key, value);
    return text;
}

void insert_sorted(Strings& list, std::string value) {
    auto place = std::ranges::lower_bound(list, value);
    if (place == list.end() || *place != value) list.insert(place, std::move(value));
}

}  // namespace

void StagePlanner::operator()(const parser::Env& env) {
    auto pairs = expand_pairs(env.pairs);
    for (const auto& [key, value] : pairs) {
        state_.environment.set(key, value);
        state_.config.set_environment(key, value);
    }
    history(pairs_text("ENV", pairs));
}

void StagePlanner::operator()(const parser::Label& label) {
    auto pairs = expand_pairs(label.pairs);
    for (const auto& [key, value] : pairs) state_.config.labels[key] = value;
    history(pairs_text("LABEL", pairs));
}

void StagePlanner::operator()(const parser::Arg& arg) {
    std::string text = "ARG";
    for (const parser::ArgEntry& entry : arg.entries) {
        std::optional<std::string> value;
        auto given = space_.request().build_args.find(entry.name);
        if (given != space_.request().build_args.end())
            value = given->second;
        else if (entry.default_value)
            value = expand(*entry.default_value);
        else if (auto global = space_.globals().find(entry.name))
            value = std::string(*global);
        declare_argument(
            {entry.name, value, std::string(parser::description_of(*instruction_, entry.name)), entry.span});
        if (value)
            state_.environment.set(entry.name, *value);
        else
            state_.environment.declare(entry.name);
        text += value ? fmt::format(" {}={}", entry.name, *value) : " " + entry.name;
    }
    history(std::move(text));
}

void StagePlanner::declare_argument(PlannedArgument argument) {
    const auto known = std::ranges::find(state_.arguments, argument.name, &PlannedArgument::name);
    if (known == state_.arguments.end())
        state_.arguments.push_back(std::move(argument));
    else
        *known = std::move(argument);
}

void StagePlanner::operator()(const parser::Expose& expose) {
    Strings shown;
    for (const parser::Word& word : expose.ports) {
        parser::Expansion expansion = parser::expand_words(word, state_.environment);
        if (expansion.error) space_.diagnostics().add(*expansion.error);
        for (const std::string& text : expansion.words) {
            auto range = parser::parse_port_range(text);
            if (auto* wrong = std::get_if<parser::ValueError>(&range)) {
                space_.diagnostics().error(word.span, "EXPOSE: " + wrong->message, wrong->hint);
                continue;
            }
            for (const std::string& port : std::get<parser::PortRange>(range).ports) {
                shown.push_back(port);
                insert_sorted(state_.config.exposed_ports, port);
            }
        }
    }
    history(fmt::format("EXPOSE [{}]", fmt::join(shown, " ")));
}

void StagePlanner::operator()(const parser::Volume& volume) {
    Strings paths;
    for (const parser::Word& word : volume.paths) {
        paths.push_back(expand(word));
        if (paths.back().empty())
            space_.diagnostics().error(word.span, "VOLUME specified can not be an empty string");
        else
            insert_sorted(state_.config.volumes, paths.back());
    }
    history(fmt::format("VOLUME [{}]", fmt::join(paths, " ")));
}

void StagePlanner::operator()(const parser::User& user) {
    state_.config.user = expand(user.name);
    history("USER " + state_.config.user);
}

void StagePlanner::operator()(const parser::Stopsignal& signal) {
    std::string value = expand(signal.signal);
    if (auto wrong = parser::check_signal(value))
        space_.diagnostics().error(signal.signal.span, "STOPSIGNAL: " + wrong->message, wrong->hint);
    state_.config.stop_signal = value;
    history("STOPSIGNAL " + value);
}

void StagePlanner::operator()(const parser::Cmd& cmd) {
    Strings words = arguments_of(cmd.command);
    history("CMD " + quoted_list(words));
    state_.config.command = std::move(words);
    state_.config.arguments_escaped = true;
    state_.command_was_set = true;
}

void StagePlanner::operator()(const parser::Entrypoint& entrypoint) {
    Strings words = arguments_of(entrypoint.command);
    history("ENTRYPOINT " + quoted_list(words));
    if (words.empty())
        state_.config.entrypoint.reset();
    else
        state_.config.entrypoint = std::move(words);
    if (!state_.command_was_set) state_.config.command.reset();
}

void StagePlanner::operator()(const parser::Shell& shell) {
    state_.config.shell = shell.arguments;
    history(fmt::format("SHELL [{}]", fmt::join(shell.arguments, " ")));
}

void StagePlanner::operator()(const parser::Healthcheck& check) {
    layerstore::Healthcheck health;
    if (!check.command) {
        health.test = {"NONE"};
    } else if (check.command->exec) {
        health.test = {"CMD"};
        health.test.insert(health.test.end(), check.command->arguments.begin(), check.command->arguments.end());
    } else {
        health.test = {"CMD-SHELL", check.command->text};
    }
    health.interval = check.interval.count();
    health.timeout = check.timeout.count();
    health.start_period = check.start_period.count();
    health.start_interval = check.start_interval.count();
    health.retries = static_cast<int>(check.retries);
    history(fmt::format("HEALTHCHECK {{Test:[{}] Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
                        fmt::join(health.test, " "), go_duration(health.interval), go_duration(health.timeout),
                        go_duration(health.start_period), go_duration(health.start_interval), health.retries));
    state_.config.healthcheck = std::move(health);
}

void StagePlanner::operator()(const parser::Maintainer& maintainer) {
    state_.config.author = maintainer.name;
    history("MAINTAINER " + maintainer.name);
}

// No history: the trigger shows where it runs.
void StagePlanner::operator()(const parser::Onbuild& onbuild) { state_.config.on_build.push_back(onbuild.trigger); }

}  // namespace imgbuild::builder
