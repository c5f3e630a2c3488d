// SPDX-License-Identifier: Apache-2.0
#include "cli/common/option_set.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "parser/instruction/values.h"

namespace imgbuild::cli {

namespace {

constexpr std::size_t help_column = 36;  ///< where texts begin, unless all flags are shorter

using Take = std::function<void(const std::string&)>;

}  // namespace

struct OptionSet::Reader {
    CLI::App app;

    void add(const std::string& names, bool has_value, Take take);
    /// Reads the flags; gives back what is none of them, in order.
    std::vector<std::string> read(Arguments arguments);
};

void OptionSet::Reader::add(const std::string& names, bool has_value, Take take) {
    const std::string long_name = names.substr(names.rfind(',') + 1);
    CLI::callback_t callback = [take = std::move(take), long_name](const CLI::results_t& results) {
        for (const std::string& result : results) with_context(long_name, [&] { take(result); });
        return true;
    };
    // Exactly one value a flag: what stands behind it is the command's own.
    app.add_option(names, std::move(callback))
        ->expected(has_value ? 1 : 0)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

std::vector<std::string> OptionSet::Reader::read(Arguments arguments) {
    // CLI11 takes its arguments from the back, and reads "--label=" as if the value were the next word.
    std::vector<std::string> reversed;
    for (const std::string& argument : arguments) {
        const bool is_empty_value = argument.starts_with("--") && argument.find('=') == argument.size() - 1;
        reversed.insert(reversed.begin(), is_empty_value ? argument.substr(0, argument.size() - 1) : argument);
        if (is_empty_value) reversed.insert(reversed.begin(), "");
    }
    try {
        app.parse(std::move(reversed));
    } catch (const CLI::ArgumentMismatch& mismatch) {
        const std::string text = mismatch.what();
        throw Error(ErrorKind::usage, printable(text.substr(0, text.find(':'))) + ": needs a value");
    } catch (const CLI::ParseError& error) {
        throw Error(ErrorKind::usage, printable(error.what()));
    }
    return app.remaining();
}

OptionSet::OptionSet(std::string usage, std::string summary)
    : usage_(std::move(usage)), summary_(std::move(summary)), reader_(std::make_unique<Reader>()) {
    reader_->app.set_help_flag();
    reader_->app.allow_extras();
    describe("-h,--help", "", "this text");
}

OptionSet::~OptionSet() = default;

void OptionSet::describe(const std::string& names, const std::string& metavar, std::string help) {
    std::vector<std::string> parts;
    for (const std::string_view name : split(names, ',')) {
        parts.emplace_back(name);
        if (name.starts_with("--")) flags_.emplace_back(name);
    }
    // Long names line up behind the room of a short one.
    const bool has_short = !parts.front().starts_with("--");
    lines_.push_back({fmt::format("  {}{}{}", has_short ? "" : "    ", join(parts, ", "), metavar), std::move(help)});
}

void OptionSet::flag(const std::string& names, bool& target, std::string help) {
    reader_->add(names, false, [&target](const std::string& text) {
        const std::optional<bool> value = parser::parse_bool(text);
        if (!value) throw Error(ErrorKind::usage, "expected true or false");
        target = *value;
    });
    describe(names, "", std::move(help));
}

void OptionSet::value(const std::string& names, std::optional<std::string>& target, std::string metavar,
                      std::string help) {
    silent(names, target);
    describe(names, " " + metavar, std::move(help));
}

void OptionSet::silent(const std::string& names, std::optional<std::string>& target) {
    reader_->add(names, true, [&target](const std::string& text) { target = text; });
}

void OptionSet::list(const std::string& names, std::vector<std::string>& target, std::string metavar,
                     std::string help) {
    reader_->add(names, true, [&target](const std::string& text) { target.push_back(text); });
    describe(names, " " + metavar, std::move(help));
}

void OptionSet::word(const std::string& names, std::optional<std::string>& target, std::string implied,
                     std::string help) {
    reader_->add(names, false,
                 [&target, implied](const std::string& text) { target = text == "true" ? implied : text; });
    describe(names, "[=" + implied + "]", std::move(help));
}

void OptionSet::unsupported(const std::string& names, std::string reason) {
    reader_->add(names, false, [reason = std::move(reason)](const std::string&) {
        throw Error(ErrorKind::usage, "not supported", reason);
    });
}

void OptionSet::positional(const std::string& name, std::optional<std::string>& target, bool required) {
    positionals_.push_back({name, required, false, [&target](const std::string& text) { target = text; }});
}

void OptionSet::positionals(const std::string& name, std::vector<std::string>& target, bool required) {
    positionals_.push_back({name, required, true, [&target](const std::string& text) { target.push_back(text); }});
}

void OptionSet::refuse_unknown(const std::string& argument) const {
    const std::string name = argument.substr(0, argument.find('='));
    const std::optional<std::string> near = name.starts_with("--") ? nearest(name, flags_) : std::nullopt;
    throw Error(ErrorKind::usage, fmt::format("unknown flag: {}", printable(name)),
                near ? fmt::format("did you mean {}?", *near) : "see imgbuild " + command() + " --help");
}

std::string OptionSet::command() const { return usage_.substr(0, usage_.find(' ')); }

void OptionSet::take_words(const std::vector<std::string>& words) const {
    std::size_t next = 0;
    for (const Positional& positional : positionals_) {
        if (positional.required && next == words.size())
            throw Error(ErrorKind::usage, fmt::format("{}: {} is missing", command(), positional.name),
                        "usage: imgbuild " + usage_);
        do {
            if (next < words.size()) positional.take(words[next++]);
        } while (positional.many && next < words.size());
    }
    if (next < words.size())
        throw Error(ErrorKind::usage, fmt::format("{}: one argument too many: {}", command(), printable(words[next])),
                    "usage: imgbuild " + usage_);
}

bool OptionSet::parse(Arguments arguments) {
    const auto mark = std::ranges::find(arguments, "--");
    const Arguments flags(arguments.begin(), mark);
    if (std::ranges::find(flags, "--help") != flags.end() || std::ranges::find(flags, "-h") != flags.end())
        return false;

    std::vector<std::string> words = reader_->read(flags);
    const auto unknown =
        std::ranges::find_if(words, [](const std::string& word) { return word.size() > 1 && word.starts_with('-'); });
    if (unknown != words.end()) refuse_unknown(*unknown);
    if (mark != arguments.end()) words.insert(words.end(), mark + 1, arguments.end());
    take_words(words);
    return true;
}

std::string OptionSet::help() const {
    std::string text = fmt::format("{}\n\nusage: imgbuild {}\n\n", summary_, usage_);
    std::size_t width = 0;
    for (const Line& line : lines_) width = std::max(width, std::min(line.left.size(), help_column));
    for (const Line& line : lines_) {
        if (line.left.size() > width)
            text += fmt::format("{}\n{:{}}  {}\n", line.left, "", width, line.help);
        else
            text += fmt::format("{:{}}  {}\n", line.left, width, line.help);
    }
    return text;
}

}  // namespace imgbuild::cli
