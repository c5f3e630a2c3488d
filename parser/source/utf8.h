// SPDX-License-Identifier: Apache-2.0
#pragma once

// UTF-8 in and out. Bytes that are no UTF-8 survive a round trip: each becomes a code point of its own in a
// range that no text can hold.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace imgbuild::parser {

/// One code point at `offset`, which is inside `text`, and its length in bytes.
struct CodePoint {
    char32_t value;
    std::size_t size;
    bool valid;
};
CodePoint code_point_at(std::string_view text, std::size_t offset) noexcept;

/// False for a byte that goes on with the code point before it.
constexpr bool begins_code_point(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

/// Where the first byte stands that is no UTF-8; empty when all are.
std::optional<std::size_t> find_invalid_utf8(std::string_view text) noexcept;

/// True for what a variable's name may hold outside ASCII: an approximation of Unicode's letters and digits
/// that leaves out the blocks of punctuation, symbols and emoji.
bool is_letter_or_digit(char32_t value) noexcept;

/// The bytes of the white space at `offset`, which is inside `text`: ASCII's or Unicode's, as a no-break space. 0 when
/// something else stands there.
std::size_t blank_size(std::string_view text, std::size_t offset) noexcept;
/// Where the white space at the end of `text` begins.
std::size_t end_without_blanks(std::string_view text) noexcept;

std::u32string decode_utf8(std::string_view text);
/// The inverse of decode_utf8().
std::string encode_utf8(std::u32string_view text);

}  // namespace imgbuild::parser
