// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/output_lines.h"

#include <algorithm>

#include "base/text.h"

namespace imgbuild::cli {
namespace {

constexpr char escape = '\x1b';

bool is_between(char c, char first, char last) { return c >= first && c <= last; }

// Bytes of the escape sequence at `begin` (ECMA-48: CSI with parameters, OSC up to its end, or letters behind ESC).
std::size_t escape_length(std::string_view text, std::size_t begin) {
    std::size_t at = begin + 1;
    if (at >= text.size()) return 1;
    if (text[at] == '[') {
        for (++at; at < text.size() && is_between(text[at], ' ', '?'); ++at) {
        }
        return std::min(at + 1, text.size()) - begin;
    }
    if (text[at] == ']') {
        for (++at; at < text.size(); ++at) {
            if (text[at] == '\a') return at + 1 - begin;
            if (text[at] == escape) return std::min(at + 2, text.size()) - begin;
        }
        return text.size() - begin;
    }
    while (at < text.size() && is_between(text[at], ' ', '/')) ++at;
    return std::min(at + 1, text.size()) - begin;
}

}  // namespace

std::string safe_line(std::string_view line) {
    std::string text;
    std::size_t begin = 0;
    const auto keep_until = [&](std::size_t end) { text += printable(line.substr(begin, end - begin)); };
    for (std::size_t at = 0; at < line.size();) {
        if (line[at] != escape && line[at] != '\t') {
            ++at;
            continue;
        }
        keep_until(at);
        if (line[at] == '\t') text += '\t';
        at += line[at] == '\t' ? 1 : escape_length(line, at);
        begin = at;
    }
    keep_until(line.size());
    return text;
}

void LineCollector::end_line(bool by_return, const Take& take) {
    // "\r\n" is one end; an empty line by "\r" alone is a cursor that went home.
    const bool is_rest_of_return = after_return_ && !by_return && line_.empty();
    if (!is_rest_of_return && !(by_return && line_.empty())) take(line_);
    line_.clear();
    after_return_ = by_return;
}

void LineCollector::feed(std::string_view bytes, const Take& take) {
    while (!bytes.empty()) {
        const std::size_t end = bytes.find_first_of("\r\n");
        const std::string_view part = bytes.substr(0, std::min(end, max_line - line_.size()));
        if (!part.empty()) after_return_ = false;
        line_ += part;
        bytes.remove_prefix(part.size());
        if (line_.size() == max_line) {
            end_line(false, take);
        } else if (!bytes.empty()) {
            end_line(bytes.front() == '\r', take);
            bytes.remove_prefix(1);
        }
    }
}

void LineCollector::finish(const Take& take) {
    if (!line_.empty()) end_line(false, take);
}

}  // namespace imgbuild::cli
