// SPDX-License-Identifier: Apache-2.0
#include "base/wire.h"

#include <fmt/format.h>

#include "base/error.h"

namespace imgbuild {

WireWriter& WireWriter::byte(std::uint8_t value) {
    bytes_ += static_cast<char>(value);
    return *this;
}

WireWriter& WireWriter::varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) byte(static_cast<std::uint8_t>(value | 0x80));
    return byte(static_cast<std::uint8_t>(value));
}

WireWriter& WireWriter::signed_varint(std::int64_t value) {
    return varint(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
}

WireWriter& WireWriter::text(std::string_view value) {
    varint(value.size());
    bytes_.append(value);
    return *this;
}

WireWriter& WireWriter::digest(const Digest& value) {
    bytes_.append(value.raw());
    return *this;
}

std::uint8_t WireReader::byte() {
    if (left_.empty()) fail("ends too early");
    auto value = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return value;
}

std::uint64_t WireReader::varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        std::uint8_t next = byte();
        if (shift == 63 && next > 1) fail("a number is too large");
        value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
        if (next < 0x80) {
            // One value, one spelling: the encodings are hashed.
            if (next == 0 && shift > 0) fail("a number is not in its shortest form");
            return value;
        }
    }
    fail("a number is too large");
}

std::int64_t WireReader::signed_varint() {
    std::uint64_t value = varint();
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

std::string_view WireReader::text() {
    std::uint64_t length = varint();
    if (length > left_.size()) fail("a length exceeds what is there");
    std::string_view value = left_.substr(0, static_cast<std::size_t>(length));
    left_.remove_prefix(value.size());
    return value;
}

Digest WireReader::digest() {
    if (left_.size() < Digest::size) fail("ends inside a digest");
    auto value = Digest::from_bytes(left_.substr(0, Digest::size));
    left_.remove_prefix(Digest::size);
    return *value;
}

std::size_t WireReader::count(std::size_t item_bytes) {
    std::uint64_t value = varint();
    if (value > left_.size() / (item_bytes == 0 ? 1 : item_bytes)) fail("a count exceeds what is there");
    return static_cast<std::size_t>(value);
}

void WireReader::expect_end() const {
    if (!left_.empty()) fail("has bytes behind its end");
}

void WireReader::fail(std::string_view reason) const {
    throw Error(ErrorKind::corrupt, fmt::format("{}: {}", what_, reason));
}

}  // namespace imgbuild
