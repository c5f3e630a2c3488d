// SPDX-License-Identifier: Apache-2.0
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "base/work_count.h"

namespace imgbuild {
namespace {

constexpr std::string_view algorithm_prefix = "sha256:";

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

std::string length_prefix(std::uint64_t value) {
    std::string out(8, '\0');
    for (int i = 0; i < 8; ++i) out[static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i));
    return out;
}

SHA256_CTX* context(std::array<std::byte, 112>& state) noexcept { return reinterpret_cast<SHA256_CTX*>(state.data()); }

}  // namespace

static_assert(sizeof(SHA256_CTX) == 112 && alignof(SHA256_CTX) <= 8);

std::optional<Digest> Digest::parse(std::string_view text) noexcept {
    if (!text.starts_with(algorithm_prefix)) return std::nullopt;
    return from_hex(text.substr(algorithm_prefix.size()));
}

Digest Digest::parse_or_throw(std::string_view text) {
    if (auto digest = parse(text)) return *digest;
    throw Error(ErrorKind::invalid_input, fmt::format("digest: {}: expected \"sha256:\" and 64 lower-case hex digits",
                                                      printable(text.substr(0, 200))));
}

std::optional<Digest> Digest::from_hex(std::string_view hex) noexcept {
    if (hex.size() != 2 * size) return std::nullopt;
    Bytes bytes{};
    for (std::size_t i = 0; i < size; ++i) {
        int high = hex_value(hex[2 * i]);
        int low = hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return Digest(bytes);
}

std::optional<Digest> Digest::from_bytes(std::string_view raw) noexcept {
    if (raw.size() != size) return std::nullopt;
    Bytes bytes{};
    std::memcpy(bytes.data(), raw.data(), size);
    return Digest(bytes);
}

std::string Digest::hex() const {
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(2 * size);
    for (std::uint8_t byte : bytes_) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::string Digest::text() const { return std::string(algorithm_prefix) + hex(); }
std::string Digest::short_hex() const { return hex().substr(0, 12); }

Sha256::Sha256() noexcept { SHA256_Init(context(state_)); }

Sha256& Sha256::update(std::string_view bytes) noexcept {
    SHA256_Update(context(state_), bytes.data(), bytes.size());
    return *this;
}

Sha256& Sha256::update(std::span<const std::byte> bytes) noexcept {
    SHA256_Update(context(state_), bytes.data(), bytes.size());
    return *this;
}

Digest Sha256::finish() noexcept {
    Digest::Bytes bytes{};
    const std::uint64_t bits = static_cast<std::uint64_t>(context(state_)->Nh) << 32 | context(state_)->Nl;
    count_work(Work::hash, bits / 8);
    SHA256_Final(bytes.data(), context(state_));
    return Digest(bytes);
}

Digest Sha256::of(std::string_view bytes) noexcept { return Sha256().update(bytes).finish(); }

KeyHasher::KeyHasher(std::string_view domain) { add("domain", domain); }

KeyHasher& KeyHasher::add(std::string_view label, std::string_view value) {
    hash_.update(length_prefix(label.size())).update(label);
    hash_.update(length_prefix(value.size())).update(value);
    return *this;
}

KeyHasher& KeyHasher::add(std::string_view label, const Digest& value) { return add(label, value.raw()); }
KeyHasher& KeyHasher::add(std::string_view label, std::uint64_t value) { return add(label, length_prefix(value)); }
Digest KeyHasher::finish() noexcept { return hash_.finish(); }

}  // namespace imgbuild

std::size_t std::hash<imgbuild::Digest>::operator()(const imgbuild::Digest& digest) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, digest.bytes().data(), sizeof value);
    return value;
}
