// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <vector>

#include "base/compression.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/stream.h"
#include "base/wire.h"

using namespace imgbuild;

namespace {

std::string unpack(std::string_view bytes, const DecompressionLimits& limits = {}) {
    MemoryReader source(bytes);
    auto reader = make_detecting_decompressor(source, "layer", limits);
    return read_all(*reader, UINT64_C(1) << 32, "layer");
}

std::string pattern(std::size_t size) {
    std::string out;
    for (std::size_t i = 0; out.size() < size; ++i) out += std::to_string(i * 2654435761U) + ' ';
    out.resize(size);
    return out;
}

}  // namespace

TEST_CASE("SHA-256 of the empty string and of 'abc' are those of FIPS 180") {
    CHECK(Sha256::of("").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(Sha256::of("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("only the canonical spelling of a digest is a digest") {
    Digest digest = Sha256::of("x");
    CHECK(Digest::parse(digest.text()) == digest);
    CHECK(Digest::from_hex(digest.hex()) == digest);
    CHECK(Digest::from_bytes(digest.raw()) == digest);
    for (std::string text : {std::string(), std::string("sha256:"), "SHA256:" + digest.hex(), digest.text() + "0",
                             "sha512:" + digest.hex(), std::string("sha256:../../../../etc/passwd")})
        CHECK_FALSE(Digest::parse(text));
    std::string upper = digest.text();
    upper.back() = 'A';
    CHECK_FALSE(Digest::parse(upper));
    CHECK_THROWS_WITH_AS(Digest::parse_or_throw("sha256:\x1b"),
                         "digest: sha256:\\x1b: expected \"sha256:\" and 64 lower-case hex digits", Error);
}

TEST_CASE("keys of different parts differ although their bytes run together alike") {
    auto key = [](std::string_view a, std::string_view b) { return KeyHasher("k").add("p", a).add("p", b).finish(); };
    CHECK(key("ab", "c") != key("a", "bc"));
    CHECK(key("ab", "c") == key("ab", "c"));
    CHECK(KeyHasher("k").add("a", "x").finish() != KeyHasher("k").add("b", "x").finish());
}

TEST_CASE("what was compressed in chunks comes back, whatever the format and the cuts") {
    std::string text = pattern(700'000);
    for (Compression compression : {Compression::gzip, Compression::zstd}) {
        std::string packed;
        for (std::size_t at = 0; at < text.size(); at += 100'000)
            packed +=
                compress_chunk(std::string_view(text).substr(at, 100'000), compression, default_level(compression));
        CHECK(detect_compression(packed) == compression);
        CHECK(unpack(packed) == text);
        CHECK(compress_chunk(text, compression, 1) == compress_chunk(text, compression, 1));
    }
    CHECK(unpack(text) == text);
    CHECK(unpack("").empty());
}

TEST_CASE("a cut, damaged or prolonged stream is refused at every place") {
    for (Compression compression : {Compression::gzip, Compression::zstd}) {
        std::string packed = compress_chunk(pattern(3000), compression, default_level(compression));
        for (std::size_t length = 4; length < packed.size(); ++length)
            CHECK_THROWS_AS(unpack(packed.substr(0, length)), Error);
        std::string wrong_checksum = packed;
        wrong_checksum[packed.size() - (compression == Compression::gzip ? 8 : 1)] ^= 1;
        CHECK_THROWS_AS(unpack(wrong_checksum), Error);
        CHECK_THROWS_AS(unpack(packed + "garbage"), Error);
    }
}

TEST_CASE("a bomb is stopped by its ratio and by its size") {
    std::string bomb = compress_chunk(std::string(4'000'000, '\0'), Compression::gzip, 9);
    DecompressionLimits by_ratio{.max_output = UINT64_MAX, .free_output = 1 << 20, .max_ratio = 100};
    CHECK_THROWS_WITH_AS(unpack(bomb, by_ratio), "layer: unpacks to more than 100 times its size", Error);
    DecompressionLimits by_size{.max_output = 1 << 20};
    CHECK_THROWS_WITH_AS(unpack(bomb, by_size), "layer: unpacks to more than 1.0 MiB", Error);
}

TEST_CASE("what shrinks to less than its thousandth part is padded, and so is no bomb when it is read again") {
    const std::string zeros(4 << 20, '\0');
    const DecompressionLimits limits{.free_output = 5 << 20};
    for (auto [compression, level] :
         {std::pair(Compression::gzip, 4), {Compression::gzip, 9}, {Compression::zstd, 3}, {Compression::zstd, 19}}) {
        const std::string packed = compress_chunk(zeros, compression, level);
        CHECK(packed.size() >= zeros.size() / 1000);
        CHECK(packed.size() < zeros.size() / 900);
        CHECK(decompress_chunk(packed, compression, zeros.size()) == zeros);
        CHECK(unpack(packed + packed + packed, limits).size() == 3 * zeros.size());
    }
    CHECK(compress_chunk("few", Compression::zstd, 3).size() < 20);
}

TEST_CASE("a verifying reader ends well only for the announced bytes") {
    auto read = [](std::string_view bytes, std::string_view promised, std::uint64_t size) {
        MemoryReader source(bytes);
        VerifyingReader reader(source, Sha256::of(promised), size, "blob");
        return read_all(reader, 1000, "blob");
    };
    CHECK(read("hello", "hello", 5) == "hello");
    CHECK_THROWS_WITH_AS(read("hell", "hello", 5), "blob: 4 bytes instead of 5", Error);
    CHECK_THROWS_WITH_AS(read("hello!", "hello", 5), "blob: more than the 5 bytes that were announced", Error);
    CHECK_THROWS_AS(read("jello", "hello", 5), Error);
}

TEST_CASE("a limited reader passes exactly its limit") {
    auto read = [](std::string_view bytes) {
        MemoryReader source(bytes);
        return read_all(source, 4, "small file");
    };
    CHECK(read("four") == "four");
    CHECK_THROWS_WITH_AS(read("fives"), "small file: larger than 4 B", Error);
}

TEST_CASE("wire values come back and every truncation is refused") {
    WireWriter out;
    out.byte(7).varint(0).varint(127).varint(128).varint(UINT64_MAX).signed_varint(-1).signed_varint(INT64_MIN);
    out.text("text").digest(Sha256::of("d"));
    auto read = [](std::string_view bytes) {
        WireReader in(bytes, "record");
        bool same = in.byte() == 7;
        for (std::uint64_t value : {UINT64_C(0), UINT64_C(127), UINT64_C(128), UINT64_MAX})
            same &= in.varint() == value;
        same &= in.signed_varint() == -1 && in.signed_varint() == INT64_MIN;
        same &= in.text() == "text" && in.digest() == Sha256::of("d");
        in.expect_end();
        return same;
    };
    CHECK(read(out.bytes()));
    for (std::size_t length = 0; length < out.bytes().size(); ++length)
        CHECK_THROWS_AS(read(std::string_view(out.bytes()).substr(0, length)), Error);
    CHECK_THROWS_WITH_AS(read(out.bytes() + "x"), "record: has bytes behind its end", Error);
    WireReader overlong(std::string_view("\x80\x00", 2), "record");
    CHECK_THROWS_WITH_AS(overlong.varint(), "record: a number is not in its shortest form", Error);
}
