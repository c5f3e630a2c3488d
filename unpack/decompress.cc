// SPDX-License-Identifier: Apache-2.0
#include "unpack/decompress.h"

#include <archive_entry.h>
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "unpack/archive_handle.h"

namespace imgbuild::unpack {
namespace {

constexpr std::size_t longest_magic = 10;
constexpr std::string_view xz_magic("\xfd\x37zXZ\0", 6);

// The level and then the magic number of the first block: "BZh" alone begins many a text.
bool is_bzip2(std::string_view bytes) noexcept {
    return bytes.starts_with("BZh") && bytes.size() == longest_magic && bytes.substr(4) == "1AY&SY";
}

// libarchive's format "raw" with one filter that is set by us and not guessed: a plain decompressor.
class FilterReader final : public ByteReader {
  public:
    FilterReader(ByteReader& source, int filter, std::string what, const DecompressionLimits& limits)
        : handle_(source, what), what_(std::move(what)), limits_(limits) {
        archive_read_support_format_raw(handle_.get());
        handle_.checked(archive_read_append_filter(handle_.get(), filter));
        if (!handle_.open()) handle_.checked(ARCHIVE_FATAL);
        archive_entry* entry = nullptr;
        ended_ = handle_.checked(archive_read_next_header(handle_.get(), &entry)) == ARCHIVE_EOF;
    }

    std::size_t read(std::span<std::byte> buffer) override {
        if (ended_ || buffer.empty()) return 0;
        auto count =
            static_cast<std::size_t>(handle_.checked(archive_read_data(handle_.get(), buffer.data(), buffer.size())));
        ended_ = count == 0;
        produced_ += count;
        if (produced_ > limits_.max_output)
            fail(fmt::format("unpacks to more than {}", human_size(limits_.max_output)));
        if (produced_ > limits_.free_output && produced_ / limits_.max_ratio > handle_.consumed())
            fail(fmt::format("unpacks to more than {} times its size", limits_.max_ratio));
        return count;
    }

  private:
    [[noreturn]] void fail(std::string_view reason) const {
        throw Error(ErrorKind::invalid_input, fmt::format("{}: {}", what_, reason));
    }

    ArchiveHandle handle_;
    std::string what_;
    DecompressionLimits limits_;
    std::uint64_t produced_ = 0;
    bool ended_ = false;
};

class ForeignDecompressor final : public ByteReader {
  public:
    ForeignDecompressor(std::string magic, ByteReader& rest, const std::string& what, const DecompressionLimits& limits)
        : whole_(magic, rest) {
        if (is_bzip2(magic))
            inner_ = std::make_unique<FilterReader>(whole_, ARCHIVE_FILTER_BZIP2, what, limits);
        else if (magic.starts_with(xz_magic))
            inner_ = std::make_unique<FilterReader>(whole_, ARCHIVE_FILTER_XZ, what, limits);
        else
            inner_ = make_decompressor(whole_, detect_compression(magic), what, limits);
    }
    std::size_t read(std::span<std::byte> buffer) override { return inner_->read(buffer); }

  private:
    PrefixedReader whole_;
    std::unique_ptr<ByteReader> inner_;
};

}  // namespace

std::unique_ptr<ByteReader> make_foreign_decompressor(ByteReader& source, const std::string& what,
                                                      const DecompressionLimits& limits) {
    return std::make_unique<ForeignDecompressor>(read_ahead(source, longest_magic), source, what, limits);
}

}  // namespace imgbuild::unpack
