// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "parser/instruction/detail/instruction_parser.h"
#include "parser/lexer/json_array.h"

#include <fmt/format.h>

#include <algorithm>

namespace imgbuild::parser::detail {
namespace {

/// A range of the text that is cut at its first '='.
struct Assignment {
    TextRange key;
    std::optional<TextRange> value;
};

Assignment cut_assignment(std::string_view text, TextRange word) {
    const std::size_t equals = word.of(text).find('=');
    if (equals == std::string_view::npos) return {word, std::nullopt};
    return {{word.begin, word.begin + equals}, TextRange{word.begin + equals + 1, word.end}};
}

/// `ENV key value`: the value is the rest of the line.
std::vector<KeyValue> read_legacy_pair(InstructionParser& parser) {
    const std::size_t begin = parser.arguments_range().begin;
    const std::vector<TextRange> words = split_plain(parser.text(), begin);
    if (words.size() < 2) {
        parser.error(
            parser.arguments_span(), fmt::format("{} must have two arguments", parser.keyword()),
            fmt::format("write {} {}=VALUE", parser.keyword(), words.empty() ? "NAME" : words[0].of(parser.text())));
        return {};
    }
    return {{parser.word(words[0]), parser.word({words[1].begin, parser.text().size()})}};
}

/// The pairs of ENV and LABEL.
std::vector<KeyValue> read_pairs(InstructionParser& parser, bool& legacy) {
    parser.check_flags({});
    if (!parser.require_arguments()) return {};
    std::vector<KeyValue> pairs;
    const std::vector<TextRange> words = split_quoted(parser.text(), parser.arguments_range().begin, parser.escape());
    legacy = words.empty() || words.front().of(parser.text()).find('=') == std::string_view::npos;
    if (legacy) return read_legacy_pair(parser);
    for (const TextRange word : words) {
        const Assignment cut = cut_assignment(parser.text(), word);
        if (!cut.value) {
            parser.error(parser.span(word),
                         fmt::format("Syntax error - can't find = in \"{}\". Must be of the form: name=value",
                                     word.of(parser.text())),
                         "put a value with blanks in quotes: name=\"a b\"");
        } else if (cut.key.begin == cut.key.end) {
            parser.error(parser.span(word), fmt::format("{} names can not be blank", parser.keyword()),
                         "write NAME=VALUE");
        } else {
            pairs.push_back({parser.word(cut.key), parser.word(*cut.value)});
        }
    }
    return pairs;
}

/// The whole rest as one word.
std::optional<Word> read_one_word(InstructionParser& parser) {
    if (!parser.require_arguments("exactly one argument")) return std::nullopt;
    Word word = parser.word(parser.arguments_range());
    parser.check(word);
    return word;
}

void check_pairs(InstructionParser& parser, const std::vector<KeyValue>& pairs) {
    for (const KeyValue& pair : pairs) {
        const std::optional<std::string> key = parser.constant(pair.key);
        if (key && key->empty())
            parser.error(pair.key.span, fmt::format("{} names can not be blank", parser.keyword()), "write NAME=VALUE");
        parser.check(pair.value);
    }
}

}  // namespace

std::optional<InstructionBody> parse_env(InstructionParser& parser) {
    Env env;
    env.pairs = read_pairs(parser, env.legacy);
    check_pairs(parser, env.pairs);
    return env;
}

std::optional<InstructionBody> parse_label(InstructionParser& parser) {
    Label label;
    label.pairs = read_pairs(parser, label.legacy);
    check_pairs(parser, label.pairs);
    return label;
}

std::optional<InstructionBody> parse_arg(InstructionParser& parser) {
    parser.ignore_flags();
    if (!parser.require_arguments()) return std::nullopt;
    Arg arg;
    for (const TextRange word : split_quoted(parser.text(), parser.arguments_range().begin, parser.escape())) {
        const Assignment cut = cut_assignment(parser.text(), word);
        if (cut.key.begin == cut.key.end)
            parser.error(parser.span(word), "ARG names can not be blank", "write ARG NAME or ARG NAME=DEFAULT");
        ArgEntry entry{
            .name = std::string(cut.key.of(parser.text())), .default_value = std::nullopt, .span = parser.span(word)};
        if (cut.value) {
            entry.default_value = parser.word(*cut.value);
            parser.check(*entry.default_value);
        }
        arg.entries.push_back(std::move(entry));
    }
    return arg;
}

std::optional<InstructionBody> parse_expose(InstructionParser& parser) {
    parser.check_flags({});
    if (!parser.require_arguments()) return std::nullopt;
    Expose expose;
    for (const TextRange word : split_plain(parser.text(), parser.arguments_range().begin)) {
        expose.ports.push_back(parser.word(word));
        const std::optional<std::string> port = parser.constant(expose.ports.back());
        if (!port) continue;
        const std::variant<PortRange, ValueError> range = parse_port_range(*port);
        if (const ValueError* wrong = std::get_if<ValueError>(&range)) parser.error(expose.ports.back().span, *wrong);
    }
    std::ranges::stable_sort(expose.ports, {}, &Word::text);
    return expose;
}

std::optional<InstructionBody> parse_volume(InstructionParser& parser) {
    parser.check_flags({});
    if (!parser.require_arguments()) return std::nullopt;
    const std::size_t errors_before = parser.diagnostics().error_count();
    Volume volume{parser.json_or_words()};
    for (Word& path : volume.paths) {
        path.text = trim(path.text);
        if (path.text.empty()) parser.error(path.span, "VOLUME specified can not be an empty string");
        parser.check(path);
    }
    if (volume.paths.empty() && parser.diagnostics().error_count() == errors_before)
        parser.error(parser.arguments_span(), "VOLUME requires at least one argument");
    return volume;
}

std::optional<InstructionBody> parse_user(InstructionParser& parser) {
    parser.check_flags({});
    std::optional<Word> name = read_one_word(parser);
    if (!name) return std::nullopt;
    if (split_quoted(name->text, 0, parser.escape()).size() > 1) {
        parser.error(name->span, "USER requires exactly one argument", "write USER NAME or USER NAME:GROUP");
    }
    return User{std::move(*name)};
}

std::optional<InstructionBody> parse_workdir(InstructionParser& parser) {
    parser.check_flags({});
    std::optional<Word> path = read_one_word(parser);
    if (!path) return std::nullopt;
    return Workdir{std::move(*path)};
}

std::optional<InstructionBody> parse_stopsignal(InstructionParser& parser) {
    parser.ignore_flags();
    std::optional<Word> signal = read_one_word(parser);
    if (!signal) return std::nullopt;
    if (const std::optional<std::string> name = parser.constant(*signal))
        parser.error(signal->span, check_signal(*name));
    return Stopsignal{std::move(*signal)};
}

std::optional<InstructionBody> parse_maintainer(InstructionParser& parser) {
    parser.check_flags({});
    if (!parser.require_arguments("exactly one argument")) return std::nullopt;
    return Maintainer{std::string(parser.arguments())};
}

}  // namespace imgbuild::parser::detail
