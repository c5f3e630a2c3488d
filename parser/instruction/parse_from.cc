// SPDX-License-Identifier: Apache-2.0
#include "base/ascii.h"
#include "base/text.h"
#include "parser/instruction/detail/instruction_parser.h"

#include <fmt/format.h>

#include <algorithm>

namespace imgbuild::parser::detail {
namespace {

/// [a-z][a-z0-9-_.]*
bool is_stage_name(std::string_view name) {
    const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto may_follow = [&](char c) { return is_lower(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; };
    return !name.empty() && is_lower(name.front()) && std::ranges::all_of(name, may_follow);
}

}  // namespace

std::optional<InstructionBody> parse_from(InstructionParser& parser) {
    parser.check_flags({{"platform", FlagKind::value}});
    const std::vector<TextRange> words = split_plain(parser.text(), parser.arguments_range().begin);
    const bool named = words.size() == 3 && to_lower(words[1].of(parser.text())) == "as";
    if (words.size() != 1 && !named) {
        parser.error(parser.arguments_span(), "FROM requires either one or three arguments",
                     "write FROM IMAGE or FROM IMAGE AS NAME");
        return std::nullopt;
    }
    From from{.image = parser.word(words[0]), .platform = parser.flag_word("platform")};
    parser.check(from.image);
    if (from.platform) parser.check(*from.platform);
    if (from.platform && from.platform->text.empty()) {
        parser.error(from.platform->span, "empty platform value",
                     "write --platform=linux/amd64, or leave the flag out");
    }
    if (!named) return from;

    from.written_as = words[1].of(parser.text());
    from.as_span = parser.span(words[1]);
    from.written_name = words[2].of(parser.text());
    from.name_span = parser.span(words[2]);
    from.name = to_lower(from.written_name);
    if (!is_stage_name(*from.name)) {
        parser.error(
            from.name_span,
            fmt::format("invalid name for build stage: \"{}\", name can't start with a number or contain symbols",
                        from.written_name),
            "a name begins with a letter; letters, digits, '-', '_' and '.' may follow");
    }
    return from;
}

}  // namespace imgbuild::parser::detail
