// SPDX-License-Identifier: Apache-2.0
#pragma once

// Content digests: the SHA-256 of some bytes, as a type of its own. A digest that reached imgbuild as text
// was checked against the grammar of OCI image-spec (descriptor.md, "Digests") when it became a Digest, so
// that no foreign string is ever used as a path, a URL part or a key.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace imgbuild {

/// A SHA-256 digest. Default constructed: all zero, which no content has; is_zero() tells.
class Digest {
  public:
    static constexpr std::size_t size = 32;  ///< bytes
    using Bytes = std::array<std::uint8_t, size>;

    constexpr Digest() noexcept = default;
    explicit constexpr Digest(const Bytes& bytes) noexcept : bytes_(bytes) {}

    /// Reads "sha256:" and 64 lower-case hex digits; nothing else is a digest. Empty when it is not one.
    static std::optional<Digest> parse(std::string_view text) noexcept;
    /// As parse(), but throws Error{invalid_input} that names `text` (made printable).
    static Digest parse_or_throw(std::string_view text);
    /// 64 lower-case hex digits without the algorithm; empty when it is not that.
    static std::optional<Digest> from_hex(std::string_view hex) noexcept;
    /// Exactly 32 raw bytes; empty for any other length.
    static std::optional<Digest> from_bytes(std::string_view raw) noexcept;

    const Bytes& bytes() const noexcept { return bytes_; }
    std::string_view raw() const noexcept { return {reinterpret_cast<const char*>(bytes_.data()), size}; }
    std::string hex() const;        ///< 64 digits
    std::string text() const;       ///< "sha256:" and hex()
    std::string short_hex() const;  ///< the first 12 digits, for people
    bool is_zero() const noexcept { return *this == Digest{}; }

    friend auto operator<=>(const Digest&, const Digest&) = default;

  private:
    Bytes bytes_{};
};

/// A digest that means one thing only; look-alikes do not convert into each other.
template <class Tag>
struct TaggedDigest {
    Digest value;
    friend auto operator<=>(const TaggedDigest&, const TaggedDigest&) = default;
};

using DiffId = TaggedDigest<struct DiffIdTag>;        ///< of a layer's uncompressed tar (image-spec config.md)
using ChainId = TaggedDigest<struct ChainIdTag>;      ///< of a stack of layers (image-spec config.md)
using TreeId = TaggedDigest<struct TreeIdTag>;        ///< of everything in a file tree, times included
using ContentId = TaggedDigest<struct ContentIdTag>;  ///< of everything in a file tree but its times
using DeltaId = TaggedDigest<struct DeltaIdTag>;      ///< of an encoded TreeDelta

/// Incremental SHA-256. It calls OpenSSL's compression code directly and not through EVP, whose providers
/// cost 2 ms to set up, a good part of a cached build.
class Sha256 {
  public:
    Sha256() noexcept;
    Sha256(const Sha256&) noexcept = default;
    Sha256& operator=(const Sha256&) noexcept = default;

    Sha256& update(std::string_view bytes) noexcept;
    Sha256& update(std::span<const std::byte> bytes) noexcept;
    /// The digest of all bytes so far. The object must not be used afterwards but by assignment.
    Digest finish() noexcept;

    static Digest of(std::string_view bytes) noexcept;

  private:
    alignas(8) std::array<std::byte, 112> state_;  ///< OpenSSL's SHA256_CTX, kept out of this header
};

/// Builds a digest from labelled, length-prefixed parts, so that no two lists of parts give the same bytes:
/// without the lengths ("ab","c") and ("a","bc") would collide.
class KeyHasher {
  public:
    explicit KeyHasher(std::string_view domain);
    KeyHasher& add(std::string_view label, std::string_view value);
    KeyHasher& add(std::string_view label, const Digest& value);
    KeyHasher& add(std::string_view label, std::uint64_t value);
    Digest finish() noexcept;

  private:
    Sha256 hash_;
};

}  // namespace imgbuild

template <>
struct std::hash<imgbuild::Digest> {
    std::size_t operator()(const imgbuild::Digest& digest) const noexcept;
};
template <class Tag>
struct std::hash<imgbuild::TaggedDigest<Tag>> {
    std::size_t operator()(const imgbuild::TaggedDigest<Tag>& digest) const noexcept {
        return std::hash<imgbuild::Digest>{}(digest.value);
    }
};
