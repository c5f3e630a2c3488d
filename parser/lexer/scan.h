// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the text of an instruction falls into words and flags. All functions work on the joined text and speak
// in offsets of it; LogicalLine::span() turns those into places in the file.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::parser {

/// Bytes [begin, end) of a joined text.
struct TextRange {
    std::size_t begin = 0;
    std::size_t end = 0;

    std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
    friend bool operator==(const TextRange&, const TextRange&) = default;
};

/// What separates words of an instruction: blank, tab, vertical tab, form feed, carriage return.
bool is_separator(char c) noexcept;
/// The first offset from `at` on that is not a separator.
std::size_t skip_separators(std::string_view text, std::size_t at) noexcept;

/// Words between separators; quotes mean nothing.
std::vector<TextRange> split_plain(std::string_view text, std::size_t begin);
/// Words between blanks; quotes and escapes hold blanks together and stay in the words. An escape character at
/// the very end of the text is left out.
std::vector<TextRange> split_quoted(std::string_view text, std::size_t begin, char escape);

/// `--name` or `--name=value`, with the quotes and escapes of this level taken out.
struct ScannedFlag {
    std::string name;
    std::optional<std::string> value;
    TextRange range;
    TextRange value_range;
};

struct ScannedFlags {
    std::vector<ScannedFlag> flags;
    std::size_t end = 0;  ///< where the arguments begin
};

/// The flags at `begin`; the first word without dashes, or a bare "--" (which is consumed), ends them.
ScannedFlags scan_flags(std::string_view text, std::size_t begin, char escape);

/// A word that announces a heredoc.
struct HeredocWord {
    TextRange range;
    std::string name;
    std::optional<int> descriptor;
    bool strip_tabs = false;
    bool expand = true;
    bool blank_before_name = false;
};

/// The heredocs that a line announces, from `begin` on; none when its quotes or ${…} do not close, as the shell
/// will say.
std::vector<HeredocWord> scan_heredocs(std::string_view text, std::size_t begin);

}  // namespace imgbuild::parser
