// SPDX-License-Identifier: Apache-2.0
#include "parser/source/utf8.h"

#include "base/ascii.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace imgbuild::parser {
namespace {

constexpr char32_t foreign_byte = 0x110000;  // + the byte: above all code points

unsigned char byte_at(std::string_view text, std::size_t offset) { return static_cast<unsigned char>(text[offset]); }

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t offset) noexcept {
    const unsigned char first = byte_at(text, offset);
    if (first < 0x80) return {first, 1, true};
    const CodePoint foreign{foreign_byte + first, 1, false};
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || size > text.size() - offset) return foreign;
    char32_t value = first & (0x7Fu >> size);
    for (std::size_t i = 1; i < size; ++i) {
        const unsigned char next = byte_at(text, offset + i);
        if ((next & 0xC0) != 0x80) return foreign;
        value = (value << 6) | (next & 0x3Fu);
    }
    constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value < smallest[size] || value > 0x10FFFF || surrogate) return foreign;
    return {value, size, true};
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        if (byte_at(text, at) < 0x80) {
            ++at;
            continue;
        }
        const CodePoint point = code_point_at(text, at);
        if (!point.valid) return at;
        at += point.size;
    }
    return std::nullopt;
}

bool is_letter_or_digit(char32_t value) noexcept {
    if (value < 0x80) return (value >= '0' && value <= '9') || ((value | 0x20) >= 'a' && (value | 0x20) <= 'z');
    if (value < 0xC0) return value == 0xAA || value == 0xB5 || value == 0xBA;
    constexpr std::pair<char32_t, char32_t> others[] = {
        {0xD7, 0xD7},     {0xF7, 0xF7},     {0x0300, 0x036F}, {0x2000, 0x206F}, {0x20A0, 0x20FF},   {0x2190, 0x2BFF},
        {0x2E00, 0x2E7F}, {0x3000, 0x3004}, {0x3008, 0x3020}, {0xD800, 0xF8FF}, {0xFE00, 0xFE6F},   {0xFF00, 0xFF0F},
        {0xFF1A, 0xFF20}, {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF},
    };
    return std::ranges::none_of(others,
                                [&](const auto& block) { return value >= block.first && value <= block.second; });
}

std::size_t blank_size(std::string_view text, std::size_t offset) noexcept {
    if (byte_at(text, offset) < 0x80) return is_blank(text[offset]) ? 1 : 0;
    const CodePoint point = code_point_at(text, offset);
    constexpr char32_t blanks[] = {0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    const bool blank =
        (point.value >= 0x2000 && point.value <= 0x200A) || std::ranges::find(blanks, point.value) != std::end(blanks);
    return point.valid && blank ? point.size : 0;
}

std::size_t end_without_blanks(std::string_view text) noexcept {
    std::size_t end = text.size();
    while (end > 0) {
        std::size_t last = end - 1;
        while (last > 0 && end - last < 4 && !begins_code_point(text[last])) --last;
        if (blank_size(text.substr(0, end), last) != end - last) break;
        end = last;
    }
    return end;
}

std::u32string decode_utf8(std::string_view text) {
    std::u32string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const CodePoint point = code_point_at(text, at);
        out += point.value;
        at += point.size;
    }
    return out;
}

std::string encode_utf8(std::u32string_view text) {
    std::string out;
    out.reserve(text.size());
    const auto tail = [&](char32_t value, int shift) { out += static_cast<char>(0x80 | ((value >> shift) & 0x3F)); };
    for (const char32_t value : text) {
        if (value < 0x80) {
            out += static_cast<char>(value);
        } else if (value >= foreign_byte) {
            out += static_cast<char>(value - foreign_byte);
        } else if (value < 0x800) {
            out += static_cast<char>(0xC0 | (value >> 6));
            tail(value, 0);
        } else if (value < 0x10000) {
            out += static_cast<char>(0xE0 | (value >> 12));
            tail(value, 6);
            tail(value, 0);
        } else {
            out += static_cast<char>(0xF0 | (value >> 18));
            tail(value, 12);
            tail(value, 6);
            tail(value, 0);
        }
    }
    return out;
}

}  // namespace imgbuild::parser
