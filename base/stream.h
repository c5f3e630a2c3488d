// SPDX-License-Identifier: Apache-2.0
#pragma once

// Byte streams: where bytes come from and where they go, without saying how. A reader is pulled, a writer is
// pushed; both throw Error. None is safe for use by two threads at once.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/fd.h"

namespace imgbuild {

/// The block in which streams move bytes.
inline constexpr std::size_t stream_block = 256 * 1024;

/// One block to read into, not zeroed: most files are far smaller than it, and one is needed for each.
class StreamBlock {
  public:
    std::span<std::byte> bytes() noexcept { return {bytes_.get(), stream_block}; }

  private:
    std::unique_ptr<std::byte[]> bytes_ = std::make_unique_for_overwrite<std::byte[]>(stream_block);
};

class ByteReader {
  public:
    virtual ~ByteReader() = default;
    /// Fills at most buffer.size() bytes and says how many; 0 is the end, and stays the end.
    virtual std::size_t read(std::span<std::byte> buffer) = 0;
};

class ByteWriter {
  public:
    virtual ~ByteWriter() = default;
    /// Takes all of `bytes` or throws.
    virtual void write(std::span<const std::byte> bytes) = 0;
};

inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
    return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads a descriptor from its position on; EINTR is retried. `name` is used in errors.
class FdReader final : public ByteReader {
  public:
    FdReader(int borrowed, std::string name) : fd_(borrowed), name_(std::move(name)) {}
    FdReader(Fd owned, std::string name) : owned_(std::move(owned)), fd_(owned_.get()), name_(std::move(name)) {}
    std::size_t read(std::span<std::byte> buffer) override;

  private:
    Fd owned_;
    int fd_;
    std::string name_;
};

/// Reads `size` bytes of an open file from `offset` on, whatever its position: many may read one file at once. A file
/// that ends before is Error{corrupt}.
class FilePartReader final : public ByteReader {
  public:
    FilePartReader(std::shared_ptr<const Fd> file, std::uint64_t offset, std::uint64_t size, std::string name)
        : file_(std::move(file)), offset_(offset), left_(size), name_(std::move(name)) {}
    std::size_t read(std::span<std::byte> buffer) override;

  private:
    std::shared_ptr<const Fd> file_;
    std::uint64_t offset_;
    std::uint64_t left_;
    std::string name_;
};

/// Writes a descriptor; short writes and EINTR are retried.
class FdWriter final : public ByteWriter {
  public:
    FdWriter(int borrowed, std::string name) : fd_(borrowed), name_(std::move(name)) {}
    void write(std::span<const std::byte> bytes) override;

  private:
    int fd_;
    std::string name_;
};

/// Reads bytes that lie in memory; they must outlive the reader.
class MemoryReader final : public ByteReader {
  public:
    explicit MemoryReader(std::string_view bytes) : left_(bytes) {}
    std::size_t read(std::span<std::byte> buffer) override;

  private:
    std::string_view left_;
};

/// Gives back bytes that were read ahead, then what `rest`, which must outlive it, still has.
class PrefixedReader final : public ByteReader {
  public:
    PrefixedReader(std::string prefix, ByteReader& rest) : prefix_(std::move(prefix)), head_(prefix_), rest_(rest) {}
    PrefixedReader(const PrefixedReader&) = delete;
    PrefixedReader& operator=(const PrefixedReader&) = delete;
    std::size_t read(std::span<std::byte> buffer) override;

  private:
    std::string prefix_;
    MemoryReader head_;
    ByteReader& rest_;
};

/// Collects bytes in a string.
class MemoryWriter final : public ByteWriter {
  public:
    void write(std::span<const std::byte> bytes) override { bytes_.append(as_text(bytes)); }
    const std::string& bytes() const noexcept { return bytes_; }
    std::string take() { return std::move(bytes_); }

  private:
    std::string bytes_;
};

/// Counts and hashes what passes through to `next` (which may be null: then it only hashes).
class HashingWriter final : public ByteWriter {
  public:
    explicit HashingWriter(ByteWriter* next = nullptr) : next_(next) {}
    void write(std::span<const std::byte> bytes) override;
    std::uint64_t count() const noexcept { return count_; }
    Digest finish() noexcept { return hash_.finish(); }

  private:
    ByteWriter* next_;
    Sha256 hash_;
    std::uint64_t count_ = 0;
};

/// Counts and hashes what is read from `source`.
class HashingReader final : public ByteReader {
  public:
    explicit HashingReader(ByteReader& source) : source_(source) {}
    std::size_t read(std::span<std::byte> buffer) override;
    std::uint64_t count() const noexcept { return count_; }
    Digest finish() noexcept { return hash_.finish(); }

  private:
    ByteReader& source_;
    Sha256 hash_;
    std::uint64_t count_ = 0;
};

/// Passes at most `limit` bytes of `source`; one byte more is Error{invalid_input} "what: larger than …".
class LimitedReader final : public ByteReader {
  public:
    LimitedReader(ByteReader& source, std::uint64_t limit, std::string what)
        : source_(source), left_(limit), limit_(limit), what_(std::move(what)) {}
    std::size_t read(std::span<std::byte> buffer) override;

  private:
    ByteReader& source_;
    std::uint64_t left_;
    std::uint64_t limit_;
    std::string what_;
};

/// Fails at the end of `source` unless its size and digest are the expected ones, and as soon as it gives
/// more bytes than that: the only way in which blobs are read. Error{corrupt} names `what`.
class VerifyingReader final : public ByteReader {
  public:
    VerifyingReader(ByteReader& source, const Digest& digest, std::uint64_t size, std::string what)
        : source_(source), digest_(digest), size_(size), what_(std::move(what)) {}
    std::size_t read(std::span<std::byte> buffer) override;

  private:
    ByteReader& source_;
    Digest digest_;
    std::uint64_t size_;
    std::string what_;
    Sha256 hash_;
    std::uint64_t count_ = 0;
    bool verified_ = false;
};

/// Moves everything from `source` to `sink` and says how many bytes that were.
std::uint64_t copy_all(ByteReader& source, ByteWriter& sink);
/// Reads `source` to its end, for what reading checks, and forgets the bytes.
void drain(ByteReader& source);
/// The first `size` bytes of `source`, fewer where it has no more.
std::string read_ahead(ByteReader& source, std::size_t size);
/// Everything in `source` as one string; more than `limit` bytes is Error{invalid_input} naming `what`.
std::string read_all(ByteReader& source, std::uint64_t limit, std::string_view what);
/// The content of an open file, from its beginning; more than `limit` bytes is Error{invalid_input}.
std::string read_file(int fd, std::uint64_t limit, std::string_view what);

}  // namespace imgbuild
