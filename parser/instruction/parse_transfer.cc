// SPDX-License-Identifier: Apache-2.0
#include "parser/instruction/detail/instruction_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace imgbuild::parser::detail {
namespace {

/// True if `word` is a part of the text that announces a heredoc, which may hold blanks. The heredocs stand in the
/// order of the text.
bool is_in_heredoc(InstructionParser& parser, const TextRange& word) {
    const std::vector<HeredocSyntax>& heredocs = parser.heredocs();
    const auto after = std::ranges::upper_bound(heredocs, word.begin, {},
                                                [](const HeredocSyntax& heredoc) { return heredoc.word.range.begin; });
    return after != heredocs.begin() && word.end <= std::prev(after)->word.range.end;
}

void check_heredoc_name(InstructionParser& parser, const Heredoc& heredoc) {
    const std::string& name = heredoc.name;
    if (name.find('/') == std::string::npos && name != "." && name != "..") return;
    parser.error(heredoc.span, fmt::format("the heredoc's name is a file name and cannot be \"{}\"", name),
                 "choose a name without '/'; the destination says where the file goes");
}

/// Sources, heredocs and the destination.
bool read_paths(InstructionParser& parser, Transfer& transfer) {
    std::vector<Word> words;
    if (parser.heredocs().empty()) {
        const std::size_t errors_before = parser.diagnostics().error_count();
        words = parser.json_or_words();
        if (parser.diagnostics().error_count() > errors_before) return false;
    } else {
        for (const TextRange range : split_plain(parser.text(), parser.arguments_range().begin)) {
            if (!is_in_heredoc(parser, range)) words.push_back(parser.word(range));
        }
        for (const HeredocSyntax& heredoc : parser.heredocs()) {
            transfer.heredocs.push_back(make_heredoc(parser, heredoc));
            check_heredoc_name(parser, transfer.heredocs.back());
        }
        const bool ends_in_heredoc = parser.heredocs().back().word.range.end == parser.text().size();
        if (ends_in_heredoc && words.size() + transfer.heredocs.size() > 1) {
            parser.error(transfer.heredocs.back().span,
                         fmt::format("{} cannot accept a heredoc as a destination", parser.keyword()),
                         "the destination comes last, behind the heredoc's word");
            return false;
        }
    }
    const std::size_t count = words.size() + transfer.heredocs.size();
    if (count < 2 || words.empty()) {
        parser.error(parser.arguments_span(),
                     fmt::format("{} requires at least two arguments{}", parser.keyword(),
                                 count == 1 ? ", but only one was provided. Destination could not be determined" : ""),
                     fmt::format("write {} SOURCE... DESTINATION", parser.keyword()));
        return false;
    }
    for (const Word& word : words) parser.check(word);
    for (const Heredoc& heredoc : transfer.heredocs) parser.check(heredoc.content());
    transfer.destination = std::move(words.back());
    words.pop_back();
    transfer.sources = std::move(words);
    return true;
}

/// The flags that COPY and ADD share.
void read_common_flags(InstructionParser& parser, Transfer& transfer) {
    transfer.chown = parser.flag_word("chown");
    transfer.chmod = parser.flag_word("chmod");
    transfer.link = parser.flag_switch("link").value_or(false);
    for (const ScannedFlag* flag : parser.flags("exclude")) {
        const Span span = parser.span(flag->range);
        transfer.excludes.push_back(*flag->value);
        transfer.excludes_span = transfer.excludes.size() == 1 ? span : cover(transfer.excludes_span, span);
    }
    if (transfer.chown) {
        if (const auto owner = parser.constant(*transfer.chown))
            parser.error(transfer.chown->span, check_chown(*owner));
    }
    if (transfer.chmod) {
        const auto mode = parser.constant(*transfer.chmod);
        if (mode && !mode->empty()) parser.error(transfer.chmod->span, check_chmod(*mode));  // empty is none
    }
}

void read_from(InstructionParser& parser, Copy& copy) {
    const std::optional<Word> from = parser.flag_word("from");
    if (!from) return;
    copy.from = from->text;
    copy.from_span = from->span;
    if (has_variables(*from)) {
        parser.error(
            from->span,
            "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
            "add FROM $VARIABLE AS name above this stage and write --from=name");
    } else if (from->text.empty()) {
        parser.error(from->span, "missing a value on flag: --from", "write --from=STAGE or --from=IMAGE");
    }
}

void check_checksum_flag(InstructionParser& parser, const Add& add) {
    if (!add.checksum) return;
    if (const auto sum = parser.constant(*add.checksum)) parser.error(add.checksum->span, check_checksum(*sum));
    if (add.sources.size() + add.heredocs.size() != 1) {
        parser.error(add.checksum->span, "checksum can't be specified for multiple sources", "use one ADD for each");
    } else if (add.sources.empty() || (!has_variables(add.sources.front()) && !is_http_url(add.sources.front().text) &&
                                       !is_git_url(add.sources.front().text))) {
        parser.error(add.checksum->span, "checksum requires HTTP(S) or Git sources",
                     "files of the context are hashed anyway");
    }
}

}  // namespace

std::optional<InstructionBody> parse_copy(InstructionParser& parser) {
    parser.check_flags({{"from", FlagKind::value},
                        {"chown", FlagKind::value},
                        {"chmod", FlagKind::value},
                        {"link", FlagKind::boolean},
                        {"parents", FlagKind::boolean},
                        {"exclude", FlagKind::list}});
    Copy copy;
    read_common_flags(parser, copy);
    read_from(parser, copy);
    copy.parents = parser.flag_switch("parents").value_or(false);
    if (!read_paths(parser, copy)) return std::nullopt;
    for (const Word& source : copy.sources) {
        if (!has_variables(source)) parser.error(source.span, check_copy_source(source.text));
    }
    return copy;
}

std::optional<InstructionBody> parse_add(InstructionParser& parser) {
    parser.check_flags({{"chown", FlagKind::value},
                        {"chmod", FlagKind::value},
                        {"link", FlagKind::boolean},
                        {"keep-git-dir", FlagKind::boolean},
                        {"checksum", FlagKind::value},
                        {"unpack", FlagKind::boolean},
                        {"exclude", FlagKind::list}});
    Add add;
    read_common_flags(parser, add);
    add.checksum = parser.flag_word("checksum");
    add.keep_git_dir = parser.flag_switch("keep-git-dir");
    add.unpack = parser.flag_switch("unpack");
    if (!read_paths(parser, add)) return std::nullopt;
    check_checksum_flag(parser, add);
    return add;
}

}  // namespace imgbuild::parser::detail
