// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "base/error.h"
#include "base/image_path.h"

namespace imgbuild {
namespace {

struct Decoded {
    char32_t code = 0;
    std::size_t length = 0;  // 0: not valid UTF-8
};

Decoded decode_utf8(std::string_view text) noexcept {
    auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    unsigned char first = at(0);
    if (first < 0x80) return {first, 1};
    std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    if (length == 0 || first > 0xf4 || text.size() < length) return {};
    char32_t code = first & (0xff >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((at(i) & 0xc0) != 0x80) return {};
        code = code << 6 | (at(i) & 0x3f);
    }
    constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (code < smallest[length] || code > 0x10ffff || surrogate) return {};
    return {code, length};
}

bool drives_a_terminal(char32_t code) noexcept {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0x2028 || code == 0x2029;
}

// Two letters that changed places are one mistake, as a typist makes it.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.size()][b.size()];
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        Decoded next = decode_utf8(text);
        std::size_t length = std::max<std::size_t>(next.length, 1);
        if (next.length == 0)
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
        else if (next.code == '\n')
            out += "\\n";
        else if (next.code == '\t')
            out += "\\t";
        else if (drives_a_terminal(next.code))
            out += next.code < 0x100 ? fmt::format("\\x{:02x}", static_cast<std::uint32_t>(next.code))
                                     : fmt::format("\\u{:04x}", static_cast<std::uint32_t>(next.code));
        else
            out.append(text.substr(0, length));
        text.remove_prefix(length);
    }
    return out;
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string_view> candidates) {
    constexpr std::size_t longest = 100;  // nobody mistypes more, and the distance costs its square
    if (word.empty() || word.size() > longest) return std::nullopt;
    std::string lower = to_lower(word);
    std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
    best = std::min(best, word.size());  // a word of which nothing is left is not near
    std::optional<std::string> found;
    for (std::string_view candidate : candidates) {
        if (candidate.size() > longest) continue;
        const std::size_t least = std::max(candidate.size(), word.size()) - std::min(candidate.size(), word.size());
        if (least >= best) continue;  // so many are missing, whatever the rest says
        std::size_t distance = edit_distance(lower, to_lower(candidate));
        if (distance < best) {
            best = distance;
            found = std::string(candidate);
        }
    }
    return found;
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
    std::vector<std::string_view> views(candidates.begin(), candidates.end());
    return nearest(word, std::span<const std::string_view>(views));
}

std::string human_size(std::uint64_t bytes) {
    if (bytes < 1024) return fmt::format("{} B", bytes);
    constexpr std::string_view units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    for (; value >= 1023.95 && unit + 1 < std::size(units); ++unit) value /= 1024;
    return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string human_duration(std::chrono::nanoseconds duration) {
    double seconds = std::chrono::duration<double>(duration).count();
    if (seconds < 99.95) return fmt::format("{:.1f}s", seconds);
    auto whole = static_cast<std::uint64_t>(seconds + 0.5);
    return fmt::format("{}m{:02}s", whole / 60, whole % 60);
}

std::string counted(std::uint64_t count, std::string_view singular, std::string_view plural) {
    return fmt::format("{} {}", count, count == 1 ? singular : plural);
}

std::string rfc3339(std::int64_t unix_seconds) {
    std::time_t time = unix_seconds;
    std::tm parts{};
    if (!::gmtime_r(&time, &parts)) throw Error(ErrorKind::invalid_input, fmt::format("time: {}: out of range", time));
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                       parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::string_view trim(std::string_view text) noexcept {
    constexpr std::string_view blanks = " \t\r\n\v\f";
    std::size_t begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::string to_lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
    std::string out;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) out += separator;
        out += parts[i];
    }
    return out;
}

std::vector<std::string> split_csv(std::string_view line) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    bool at_start = true;
    for (std::size_t i = 0; i < line.size(); ++i) {
        char c = line[i];
        if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
            fields.back() += line[++i];
        } else if (quoted && c == '"') {
            quoted = false;
            if (i + 1 < line.size() && line[i + 1] != ',')
                throw Error(ErrorKind::usage, fmt::format("{}: text behind a closing quote", printable(line)),
                            "quote the whole field, as in \"dest=a,b\"");
        } else if (!quoted && c == '"') {
            if (!at_start)
                throw Error(ErrorKind::usage, fmt::format("{}: a quote inside a field", printable(line)),
                            "quote the whole field, as in \"dest=a,b\"");
            quoted = true;
        } else if (!quoted && c == ',') {
            fields.emplace_back();
            at_start = true;
            continue;
        } else {
            fields.back() += c;
        }
        at_start = false;
    }
    if (quoted) throw Error(ErrorKind::usage, fmt::format("{}: a quote is not closed", printable(line)));
    return fields;
}

std::string file_name_of_url_path(std::string_view path) {
    std::string_view last = path.substr(path.rfind('/') + 1);
    std::string name;
    while (!last.empty()) {
        std::uint8_t byte = 0;
        std::string_view digits = last.front() == '%' ? last.substr(1, 2) : std::string_view();
        bool is_encoded =
            digits.size() == 2 && std::from_chars(digits.data(), digits.data() + 2, byte, 16).ptr == digits.data() + 2;
        name += is_encoded ? static_cast<char>(byte) : last.front();
        last.remove_prefix(is_encoded ? 3 : 1);
    }
    return is_path_component(name) ? name : "__unnamed__";
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text) noexcept {
    std::uint64_t value = 0;
    auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace imgbuild
