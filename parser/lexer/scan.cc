// SPDX-License-Identifier: Apache-2.0
#include "parser/lexer/scan.h"

#include "base/ascii.h"
#include "parser/lexer/word.h"
#include "parser/source/utf8.h"

#include <algorithm>

namespace imgbuild::parser {
namespace {

/// Where the word that begins at `at` ends: at a blank outside quotes, or at the end of the text.
std::size_t end_of_word(std::string_view text, std::size_t at, char escape) {
    char quote = '\0';
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (c == escape && quote != '\'') {
            ++at;
        } else if (quote != '\0') {
            if (c == quote) quote = '\0';
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (blank_size(text, at) > 0) {
            break;
        }
    }
    return std::min(at, text.size());
}

/// True if the text's last byte is an escape character that escapes nothing.
bool ends_in_escape(std::string_view text, char escape) {
    std::size_t count = 0;
    while (count < text.size() && text[text.size() - 1 - count] == escape) ++count;
    return count % 2 == 1;
}

/// The word at `at` with quotes and escapes taken out; `at` moves behind it.
std::string unquoted_word(std::string_view text, std::size_t& at, char escape) {
    std::string out;
    char quote = '\0';
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (c == escape) {
            if (++at < text.size()) out += text[at];
        } else if (quote != '\0') {
            if (c == quote) {
                quote = '\0';
            } else {
                out += c;
            }
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (blank_size(text, at) > 0) {
            break;
        } else {
            out += c;
        }
    }
    at = std::min(at, text.size());
    return out;
}

}  // namespace

bool is_separator(char c) noexcept { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r'; }

std::size_t skip_separators(std::string_view text, std::size_t at) noexcept {
    while (at < text.size() && is_separator(text[at])) ++at;
    return at;
}

std::vector<TextRange> split_plain(std::string_view text, std::size_t begin) {
    std::vector<TextRange> words;
    for (std::size_t at = skip_separators(text, begin); at < text.size(); at = skip_separators(text, at)) {
        const std::size_t word_begin = at;
        while (at < text.size() && !is_separator(text[at])) ++at;
        words.push_back({word_begin, at});
    }
    return words;
}

std::vector<TextRange> split_quoted(std::string_view text, std::size_t begin, char escape) {
    std::vector<TextRange> words;
    for (std::size_t at = begin; at < text.size();) {
        if (const std::size_t blank = blank_size(text, at)) {
            at += blank;
            continue;
        }
        TextRange word{at, end_of_word(text, at, escape)};
        at = word.end;
        if (at == text.size() && ends_in_escape(word.of(text), escape)) --word.end;
        words.push_back(word);
    }
    return words;
}

ScannedFlags scan_flags(std::string_view text, std::size_t begin, char escape) {
    ScannedFlags scanned;
    for (std::size_t at = skip_separators(text, begin);; at = skip_separators(text, at)) {
        scanned.end = at;
        if (!text.substr(at).starts_with("--")) return scanned;
        const std::size_t word_begin = at;
        const std::string word = unquoted_word(text, at, escape);
        if (word == "--") {
            scanned.end = skip_separators(text, at);
            return scanned;
        }
        ScannedFlag flag{.name = word.substr(2), .range = {word_begin, at}, .value_range = {at, at}};
        if (const std::size_t equals = word.find('='); equals != std::string::npos) {
            flag.name = word.substr(2, equals - 2);
            flag.value = word.substr(equals + 1);
            flag.value_range.begin = std::min(at, text.find('=', word_begin) + 1);
        }
        scanned.flags.push_back(std::move(flag));
    }
}

std::vector<HeredocWord> scan_heredocs(std::string_view text, std::size_t begin) {
    std::vector<HeredocWord> found;
    if (text.find("<<", begin) == std::string_view::npos) return found;
    const Word line{.text = std::string(text.substr(begin)), .span = {}};
    if (!expand(line, {}, {.keep_unset = true, .max_result_bytes = line.text.size() * 2}).ok()) return found;

    for (std::size_t at = begin; at < text.size();) {
        if (const std::size_t blank = blank_size(text, at)) {
            at += blank;
            continue;
        }
        const std::size_t word_begin = at;
        std::size_t mark = at;
        while (mark < text.size() && is_digit(text[mark])) ++mark;
        if (!text.substr(mark).starts_with("<<")) {
            at = end_of_word(text, at, '\\');
            continue;
        }
        HeredocWord heredoc;
        const std::string_view digits = text.substr(word_begin, mark - word_begin);
        std::size_t name_begin = mark + 2;
        if (name_begin < text.size() && text[name_begin] == '-') {
            heredoc.strip_tabs = true;
            ++name_begin;
        }
        const std::size_t after_mark = name_begin;
        while (name_begin < text.size() && blank_size(text, name_begin) > 0) name_begin += blank_size(text, name_begin);
        heredoc.blank_before_name = name_begin > after_mark;
        at = end_of_word(text, name_begin, '\\');
        heredoc.range = {word_begin, at};
        const std::string_view raw = text.substr(name_begin, at - name_begin);
        if (raw.empty() || raw.find('<') != std::string_view::npos) continue;
        if (!digits.empty() && digits.size() <= 4) heredoc.descriptor = std::stoi(std::string(digits));

        const Expansion name = expand({.text = std::string(raw), .span = {}}, {}, {.keep_unset = true});
        if (!name.ok() || name.text.empty()) continue;
        heredoc.name = name.text;
        const auto is_quote = [](char c) { return c == '\'' || c == '"'; };
        heredoc.expand = std::ranges::count_if(raw, is_quote) == std::ranges::count_if(heredoc.name, is_quote);
        found.push_back(std::move(heredoc));
    }
    return found;
}

}  // namespace imgbuild::parser
