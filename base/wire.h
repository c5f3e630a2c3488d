// SPDX-License-Identifier: Apache-2.0
#pragma once

// The byte encoding of our own records (tree nodes, deltas, memos): little endian integers, varints and
// length-prefixed strings. Readers check every length against what is there before they allocate.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace imgbuild {

class WireWriter {
  public:
    WireWriter& byte(std::uint8_t value);
    WireWriter& varint(std::uint64_t value);        ///< LEB128
    WireWriter& signed_varint(std::int64_t value);  ///< zigzag, then LEB128
    WireWriter& text(std::string_view value);       ///< varint length, then the bytes
    WireWriter& digest(const Digest& value);        ///< 32 bytes
    const std::string& bytes() const noexcept { return bytes_; }
    std::string take() { return std::move(bytes_); }

  private:
    std::string bytes_;
};

/// Reads what WireWriter wrote. Anything else (short, overlong varint) is Error{corrupt} naming `what`.
class WireReader {
  public:
    WireReader(std::string_view bytes, std::string_view what) : left_(bytes), what_(what) {}
    std::uint8_t byte();
    std::uint64_t varint();
    std::int64_t signed_varint();
    std::string_view text();  ///< lives as long as the bytes given
    Digest digest();
    bool at_end() const noexcept { return left_.empty(); }
    std::size_t left() const noexcept { return left_.size(); }
    /// A count of items, each at least `item_bytes` long; Error{corrupt} when that many cannot be there.
    std::size_t count(std::size_t item_bytes);
    /// Error{corrupt} unless everything was read.
    void expect_end() const;

  private:
    [[noreturn]] void fail(std::string_view reason) const;
    std::string_view left_;
    std::string_view what_;
};

}  // namespace imgbuild
