// SPDX-License-Identifier: Apache-2.0
#pragma once

// Compression of layers. Compressing works on whole chunks, each becoming one gzip member (RFC 1952) or one
// zstd frame (RFC 8878), so that chunks can be compressed on all cores and put back in order; the bytes
// depend on the chunk, the format and the level alone. Decompressing works on streams of any members or
// frames, verifies their checksums and refuses what stands behind them.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/stream.h"

namespace imgbuild {

enum class Compression : std::uint8_t { none, gzip, zstd };

/// "uncompressed", "gzip", "zstd": the words of the command line.
std::string_view name_of(Compression compression) noexcept;
std::optional<Compression> compression_from_name(std::string_view name) noexcept;
/// The level used when nobody asks for one: gzip 4, zstd 3, none 0.
int default_level(Compression compression) noexcept;
/// True if the level exists: gzip 0 to 9, zstd 1 to 22, none only 0.
bool is_valid_level(Compression compression, int level) noexcept;
/// Name and version of the compressor linked, for example "libdeflate 1.14"; "none" for Compression::none.
std::string compressor_version(Compression compression);

/// One chunk as one gzip member or zstd frame; Compression::none gives the bytes back. Keeps no state and
/// may be called by any number of threads. Throws Error{internal} when the library fails.
std::string compress_chunk(std::string_view chunk, Compression compression, int level);

/// The `size` bytes that compress_chunk() made `packed` of. May be called by any number of threads. Error{corrupt} where
/// `packed` is damaged or holds another number of bytes.
std::string decompress_chunk(std::string_view packed, Compression compression, std::size_t size);

/// CRC-32 and Adler-32 of `bytes`, in one number: enough against accidents and no defence against anybody. Ten times as
/// fast as a digest.
std::uint64_t accident_sum(std::string_view bytes) noexcept;

/// What a decompressor refuses to exceed; numbers of docs/limits.md.
struct DecompressionLimits {
    std::uint64_t max_output = std::uint64_t{1} << 40;    ///< bytes
    std::uint64_t free_output = std::uint64_t{64} << 20;  ///< bytes before the ratio counts
    std::uint64_t max_ratio = 1000;                       ///< output bytes for one input byte
};

/// The format that the first bytes (at least 4 where the stream has them) show.
Compression detect_compression(std::string_view first_bytes) noexcept;

/// A reader of the decompressed bytes of `source`, which must outlive it. Truncation, a wrong checksum or
/// size, trailing garbage and a breach of `limits` are Error{invalid_input} naming `what`.
std::unique_ptr<ByteReader> make_decompressor(ByteReader& source, Compression compression, std::string what,
                                              const DecompressionLimits& limits = {});
/// As above, with the format taken from the first bytes.
std::unique_ptr<ByteReader> make_detecting_decompressor(ByteReader& source, std::string what,
                                                        const DecompressionLimits& limits = {});

}  // namespace imgbuild
