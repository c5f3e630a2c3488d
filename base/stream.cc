// SPDX-License-Identifier: Apache-2.0
#include "base/stream.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild {

std::size_t FdReader::read(std::span<std::byte> buffer) {
    for (;;) {
        ssize_t count = ::read(fd_, buffer.data(), buffer.size());
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno != EINTR) throw_errno("read", name_);
    }
}

std::size_t FilePartReader::read(std::span<std::byte> buffer) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
    if (wanted == 0) return 0;
    ssize_t count = 0;
    do count = ::pread(file_->get(), buffer.data(), wanted, static_cast<off_t>(offset_));
    while (count < 0 && errno == EINTR);
    if (count < 0) throw_errno("read", name_);
    if (count == 0) throw Error(ErrorKind::corrupt, "read: " + name_ + ": is shorter than it was");
    offset_ += static_cast<std::uint64_t>(count);
    left_ -= static_cast<std::uint64_t>(count);
    return static_cast<std::size_t>(count);
}

void FdWriter::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        ssize_t count = ::write(fd_, bytes.data(), bytes.size());
        if (count >= 0)
            bytes = bytes.subspan(static_cast<std::size_t>(count));
        else if (errno != EINTR)
            throw_errno("write", name_);
    }
}

std::size_t MemoryReader::read(std::span<std::byte> buffer) {
    std::size_t count = std::min(buffer.size(), left_.size());
    std::memcpy(buffer.data(), left_.data(), count);
    left_.remove_prefix(count);
    return count;
}

std::size_t PrefixedReader::read(std::span<std::byte> buffer) {
    std::size_t count = head_.read(buffer);
    return count + rest_.read(buffer.subspan(count));
}

void HashingWriter::write(std::span<const std::byte> bytes) {
    if (next_) next_->write(bytes);
    hash_.update(bytes);
    count_ += bytes.size();
}

std::size_t HashingReader::read(std::span<std::byte> buffer) {
    std::size_t count = source_.read(buffer);
    hash_.update(std::span<const std::byte>(buffer.first(count)));
    count_ += count;
    return count;
}

std::size_t LimitedReader::read(std::span<std::byte> buffer) {
    // One byte more than allowed is asked for, so that a source of exactly the limit passes.
    std::uint64_t ask = std::min<std::uint64_t>(buffer.size(), left_ == UINT64_MAX ? left_ : left_ + 1);
    std::size_t count = source_.read(buffer.first(static_cast<std::size_t>(ask)));
    if (count > left_)
        throw Error(ErrorKind::invalid_input, fmt::format("{}: larger than {}", what_, human_size(limit_)));
    left_ -= count;
    return count;
}

std::size_t VerifyingReader::read(std::span<std::byte> buffer) {
    std::size_t count = source_.read(buffer);
    count_ += count;
    if (count_ > size_)
        throw Error(ErrorKind::corrupt, fmt::format("{}: more than the {} bytes that were announced", what_, size_));
    if (count > 0) {
        hash_.update(std::span<const std::byte>(buffer.first(count)));
        return count;
    }
    if (buffer.empty() || verified_) return 0;
    if (count_ < size_)
        throw Error(ErrorKind::corrupt, fmt::format("{}: {} bytes instead of {}", what_, count_, size_));
    Digest found = hash_.finish();
    if (found != digest_)
        throw Error(ErrorKind::corrupt,
                    fmt::format("{}: its content is {} and not {}", what_, found.text(), digest_.text()));
    verified_ = true;
    return 0;
}

std::uint64_t copy_all(ByteReader& source, ByteWriter& sink) {
    StreamBlock block;
    std::uint64_t total = 0;
    while (std::size_t count = source.read(block.bytes())) {
        sink.write(block.bytes().first(count));
        total += count;
    }
    return total;
}

void drain(ByteReader& source) {
    StreamBlock block;
    while (source.read(block.bytes()) > 0) {
    }
}

std::string read_ahead(ByteReader& source, std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t filled = 0;
    while (filled < size) {
        std::size_t count = source.read(std::as_writable_bytes(std::span(bytes).subspan(filled)));
        if (count == 0) break;
        filled += count;
    }
    bytes.resize(filled);
    return bytes;
}

std::string read_all(ByteReader& source, std::uint64_t limit, std::string_view what) {
    LimitedReader limited(source, limit, std::string(what));
    MemoryWriter memory;
    copy_all(limited, memory);
    return memory.take();
}

std::string read_file(int fd, std::uint64_t limit, std::string_view what) {
    if (::lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE) throw_errno("read", what);
    FdReader reader(fd, std::string(what));
    return read_all(reader, limit, what);
}

}  // namespace imgbuild
