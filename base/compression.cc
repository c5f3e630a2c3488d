// SPDX-License-Identifier: Apache-2.0
#include "base/compression.h"

#include <fmt/format.h>
#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/input_limits.h"
#include "base/text.h"
#include "base/work_count.h"

namespace imgbuild {
namespace {

static_assert(DecompressionLimits().max_output == limits::archive_bytes);
static_assert(DecompressionLimits().free_output == limits::free_output);
static_assert(DecompressionLimits().max_ratio == limits::unpack_ratio);

struct FreeDeflate {
    void operator()(libdeflate_compressor* c) const noexcept { libdeflate_free_compressor(c); }
};
struct FreeInflate {
    void operator()(libdeflate_decompressor* d) const noexcept { libdeflate_free_decompressor(d); }
};
struct FreeZstd {
    void operator()(ZSTD_CCtx* c) const noexcept { ZSTD_freeCCtx(c); }
    void operator()(ZSTD_DCtx* c) const noexcept { ZSTD_freeDCtx(c); }
};

std::string little_endian(std::uint64_t value, std::size_t width) {
    std::string out;
    for (std::size_t i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i));
    return out;
}

// What is compressed to less than limits::unpack_ratio allows is padded, or our own reader would take it for a bomb.
// A gzip member is padded by an extra field (RFC 1952, FEXTRA) of one subfield "pd".
void pad_gzip(std::string& member, std::size_t lacking) {
    constexpr std::size_t flags_at = 3, header = 10, field_header = 6;
    constexpr char has_extra = 4;
    // Less than a field's own header would do as well as a whole one.
    const std::size_t size = std::clamp<std::size_t>(lacking, field_header, UINT16_MAX) - field_header;
    member[flags_at] |= has_extra;
    member.insert(header, little_endian(size + 4, 2) + "pd" + little_endian(size, 2) + std::string(size, '\0'));
}

// A zstd frame is padded by a skippable frame behind it (RFC 8878, section 3.1.2).
void pad_zstd(std::string& frame, std::size_t lacking) {
    constexpr std::string_view magic = "\x50\x2a\x4d\x18";
    constexpr std::size_t frame_header = 8;
    const std::size_t size = std::max(lacking, frame_header) - frame_header;
    frame.append(magic).append(little_endian(size, 4)).append(size, '\0');
}

std::string compress_gzip(std::string_view chunk, int level) {
    thread_local std::unique_ptr<libdeflate_compressor, FreeDeflate> compressor;
    thread_local int compressor_level = -1;
    if (compressor_level != level) {
        compressor.reset(libdeflate_alloc_compressor(level));
        compressor_level = level;
    }
    if (!compressor) throw Error(ErrorKind::internal, "compress: gzip: out of memory");
    std::string out(libdeflate_gzip_compress_bound(compressor.get(), chunk.size()), '\0');
    std::size_t size = libdeflate_gzip_compress(compressor.get(), chunk.data(), chunk.size(), out.data(), out.size());
    if (size == 0) throw Error(ErrorKind::internal, "compress: gzip: the library failed");
    out.resize(size);
    return out;
}

std::string compress_zstd(std::string_view chunk, int level) {
    thread_local std::unique_ptr<ZSTD_CCtx, FreeZstd> context(ZSTD_createCCtx());
    if (!context) throw Error(ErrorKind::internal, "compress: zstd: out of memory");
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
    std::string out(ZSTD_compressBound(chunk.size()), '\0');
    std::size_t size = ZSTD_compress2(context.get(), out.data(), out.size(), chunk.data(), chunk.size());
    if (ZSTD_isError(size))
        throw Error(ErrorKind::internal, fmt::format("compress: zstd: {}", ZSTD_getErrorName(size)));
    out.resize(size);
    return out;
}

bool decompress_gzip(std::string_view packed, std::string& out) {
    thread_local const std::unique_ptr<libdeflate_decompressor, FreeInflate> decompressor(
        libdeflate_alloc_decompressor());
    if (!decompressor) throw Error(ErrorKind::internal, "decompress: gzip: out of memory");
    std::size_t read = 0;
    // Without a place for the number of bytes written, any other number than asked for is refused.
    const libdeflate_result result = libdeflate_gzip_decompress_ex(decompressor.get(), packed.data(), packed.size(),
                                                                   out.data(), out.size(), &read, nullptr);
    return result == LIBDEFLATE_SUCCESS && read == packed.size();
}

bool decompress_zstd(std::string_view packed, std::string& out) {
    thread_local const std::unique_ptr<ZSTD_DCtx, FreeZstd> context(ZSTD_createDCtx());
    if (!context) throw Error(ErrorKind::internal, "decompress: zstd: out of memory");
    return ZSTD_decompressDCtx(context.get(), out.data(), out.size(), packed.data(), packed.size()) == out.size();
}

// What both decompressors share: the input block, the counts and the limits.
class Decompressor : public ByteReader {
  public:
    Decompressor(ByteReader& source, std::string what, const DecompressionLimits& limits)
        : source_(source), what_(std::move(what)), limits_(limits), buffer_(stream_block) {}

  protected:
    // False at the end of the source.
    bool refill() {
        std::size_t count = source_.read(buffer_);
        consumed_ += count;
        input_ = std::span<const std::byte>(buffer_).first(count);
        return count > 0;
    }
    void count_output(std::size_t bytes) {
        produced_ += bytes;
        count_work(Work::decompress, bytes);
        if (produced_ > limits_.max_output)
            fail(fmt::format("unpacks to more than {}", human_size(limits_.max_output)));
        if (produced_ > limits_.free_output && produced_ / limits_.max_ratio > consumed_)
            fail(fmt::format("unpacks to more than {} times its size", limits_.max_ratio));
    }
    [[noreturn]] void fail(std::string_view reason) const {
        throw Error(ErrorKind::invalid_input, fmt::format("{}: {}", what_, reason));
    }
    std::span<const std::byte> input_;

  private:
    ByteReader& source_;
    std::string what_;
    DecompressionLimits limits_;
    std::vector<std::byte> buffer_;
    std::uint64_t consumed_ = 0;
    std::uint64_t produced_ = 0;
};

class GzipReader final : public Decompressor {
  public:
    using Decompressor::Decompressor;
    ~GzipReader() override {
        if (open_) inflateEnd(&stream_);
    }
    std::size_t read(std::span<std::byte> buffer) override {
        if (buffer.empty()) return 0;
        for (;;) {
            if (input_.empty() && !refill()) {
                if (open_ || !seen_member_) fail("the gzip stream is cut short");
                return 0;
            }
            if (!open_) begin_member();
            std::size_t produced = inflate_some(buffer);
            if (produced > 0) return produced;
        }
    }

  private:
    void begin_member() {
        if (seen_member_ && input_[0] != std::byte{0x1f}) fail("bytes behind the end of the gzip stream");
        stream_ = {};
        constexpr int gzip_only = 15 + 16;
        if (inflateInit2(&stream_, gzip_only) != Z_OK) fail("zlib could not start");
        open_ = seen_member_ = true;
    }
    std::size_t inflate_some(std::span<std::byte> buffer) {
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input_.data()));
        stream_.avail_in = static_cast<uInt>(input_.size());
        stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
        stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(buffer.size(), UINT32_MAX));
        uInt room = stream_.avail_out;
        int result = inflate(&stream_, Z_NO_FLUSH);
        input_ = input_.last(stream_.avail_in);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            fail(fmt::format("not a sound gzip stream ({})", stream_.msg ? stream_.msg : "damaged"));
        std::size_t produced = room - stream_.avail_out;
        count_output(produced);
        if (result == Z_STREAM_END) {
            inflateEnd(&stream_);
            open_ = false;
        }
        return produced;
    }
    z_stream stream_{};
    bool open_ = false;
    bool seen_member_ = false;
};

class ZstdReader final : public Decompressor {
  public:
    ZstdReader(ByteReader& source, std::string what, const DecompressionLimits& limits)
        : Decompressor(source, std::move(what), limits), context_(ZSTD_createDCtx()) {
        if (!context_) fail("zstd could not start");
        ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, limits::zstd_window_log);
    }
    std::size_t read(std::span<std::byte> buffer) override {
        if (buffer.empty()) return 0;
        for (;;) {
            if (input_.empty() && !refill()) {
                if (inside_frame_ || !seen_frame_) fail("the zstd stream is cut short");
                return 0;
            }
            if (!inside_frame_) begin_frame();
            ZSTD_inBuffer in{input_.data(), input_.size(), 0};
            ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
            std::size_t result = ZSTD_decompressStream(context_.get(), &out, &in);
            if (ZSTD_isError(result)) fail(fmt::format("not a sound zstd stream ({})", ZSTD_getErrorName(result)));
            input_ = input_.subspan(in.pos);
            inside_frame_ = result != 0;
            seen_frame_ = true;
            frame_bytes_ += out.pos;
            count_output(out.pos);
            if (!inside_frame_ && announced_ && *announced_ != frame_bytes_)
                fail("a zstd frame holds another size than it announces");
            if (out.pos > 0) return out.pos;
        }
    }

  private:
    // A header that is cut by the end of the input block announces nothing; the library checks the rest.
    void begin_frame() {
        unsigned long long size = ZSTD_getFrameContentSize(input_.data(), input_.size());
        bool is_known = size != ZSTD_CONTENTSIZE_UNKNOWN && size != ZSTD_CONTENTSIZE_ERROR;
        announced_ = is_known ? std::optional<std::uint64_t>(size) : std::nullopt;
        frame_bytes_ = 0;
    }
    std::unique_ptr<ZSTD_DCtx, FreeZstd> context_;
    std::optional<std::uint64_t> announced_;
    std::uint64_t frame_bytes_ = 0;
    bool inside_frame_ = false;
    bool seen_frame_ = false;
};

class PlainReader final : public ByteReader {
  public:
    explicit PlainReader(ByteReader& source) : source_(source) {}
    std::size_t read(std::span<std::byte> buffer) override { return source_.read(buffer); }

  private:
    ByteReader& source_;
};

class DetectingReader final : public ByteReader {
  public:
    DetectingReader(std::string prefix, ByteReader& rest, std::string what, const DecompressionLimits& limits)
        : whole_(prefix, rest),
          inner_(make_decompressor(whole_, detect_compression(prefix), std::move(what), limits)) {}
    std::size_t read(std::span<std::byte> buffer) override { return inner_->read(buffer); }

  private:
    PrefixedReader whole_;
    std::unique_ptr<ByteReader> inner_;
};

}  // namespace

std::string_view name_of(Compression compression) noexcept {
    switch (compression) {
        case Compression::none: return "uncompressed";
        case Compression::gzip: return "gzip";
        case Compression::zstd: return "zstd";
    }
    return "uncompressed";
}

std::optional<Compression> compression_from_name(std::string_view name) noexcept {
    for (Compression compression : {Compression::none, Compression::gzip, Compression::zstd})
        if (name == name_of(compression)) return compression;
    return std::nullopt;
}

int default_level(Compression compression) noexcept {
    switch (compression) {
        case Compression::none: return 0;
        case Compression::gzip: return 4;
        case Compression::zstd: return 3;
    }
    return 0;
}

bool is_valid_level(Compression compression, int level) noexcept {
    switch (compression) {
        case Compression::none: return level == 0;
        case Compression::gzip: return level >= 0 && level <= 9;
        case Compression::zstd: return level >= 1 && level <= 22;
    }
    return false;
}

std::string compressor_version(Compression compression) {
    switch (compression) {
        case Compression::none: return "none";
        case Compression::gzip: return "libdeflate " LIBDEFLATE_VERSION_STRING;
        case Compression::zstd: return fmt::format("zstd {}", ZSTD_versionString());
    }
    return "none";
}

std::string compress_chunk(std::string_view chunk, Compression compression, int level) {
    if (compression == Compression::none) return std::string(chunk);
    count_work(Work::compress, chunk.size());
    std::string packed = compression == Compression::gzip ? compress_gzip(chunk, level) : compress_zstd(chunk, level);
    const std::size_t least = (chunk.size() + limits::unpack_ratio - 1) / limits::unpack_ratio;
    if (packed.size() >= least) return packed;
    (compression == Compression::gzip ? pad_gzip : pad_zstd)(packed, least - packed.size());
    return packed;
}

std::uint64_t accident_sum(std::string_view bytes) noexcept {
    constexpr std::uint32_t first_crc = 0, first_adler = 1;
    const std::uint64_t crc = libdeflate_crc32(first_crc, bytes.data(), bytes.size());
    return crc << 32 | libdeflate_adler32(first_adler, bytes.data(), bytes.size());
}

std::string decompress_chunk(std::string_view packed, Compression compression, std::size_t size) {
    if (compression == Compression::none && packed.size() == size) return std::string(packed);
    std::string out(size, '\0');
    count_work(Work::decompress, size);
    const bool is_sound = compression == Compression::gzip   ? decompress_gzip(packed, out)
                          : compression == Compression::zstd ? decompress_zstd(packed, out)
                                                             : false;
    if (!is_sound)
        throw Error(ErrorKind::corrupt, fmt::format("decompress: {}: a damaged chunk", name_of(compression)));
    return out;
}

Compression detect_compression(std::string_view first_bytes) noexcept {
    if (first_bytes.starts_with("\x1f\x8b")) return Compression::gzip;
    if (first_bytes.starts_with("\x28\xb5\x2f\xfd")) return Compression::zstd;
    bool skippable =
        first_bytes.size() >= 4 && (first_bytes[0] & 0xf0) == 0x50 && first_bytes.substr(1, 3) == "\x2a\x4d\x18";
    return skippable ? Compression::zstd : Compression::none;
}

std::unique_ptr<ByteReader> make_decompressor(ByteReader& source, Compression compression, std::string what,
                                              const DecompressionLimits& limits) {
    switch (compression) {
        case Compression::none: return std::make_unique<PlainReader>(source);
        case Compression::gzip: return std::make_unique<GzipReader>(source, std::move(what), limits);
        case Compression::zstd: return std::make_unique<ZstdReader>(source, std::move(what), limits);
    }
    return nullptr;
}

std::unique_ptr<ByteReader> make_detecting_decompressor(ByteReader& source, std::string what,
                                                        const DecompressionLimits& limits) {
    constexpr std::size_t longest_magic = 4;
    return std::make_unique<DetectingReader>(read_ahead(source, longest_magic), source, std::move(what), limits);
}

}  // namespace imgbuild
