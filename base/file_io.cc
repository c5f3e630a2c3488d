// SPDX-License-Identifier: Apache-2.0
#include "base/file_io.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/stream.h"

namespace imgbuild {
namespace {

constexpr std::size_t hole_block = 4096;

bool is_zero(const std::byte* bytes, std::size_t size) noexcept {
    return bytes[0] == std::byte{0} && std::memcmp(bytes, bytes + 1, size - 1) == 0;
}

// Writes `bytes` but their whole blocks of zeroes; true if they end in such.
bool write_but_zeros(int fd, std::span<const std::byte> bytes, std::uint64_t offset, std::string_view what) {
    std::size_t start = 0;
    for (std::size_t at = 0; at + hole_block <= bytes.size(); at += hole_block) {
        if (!is_zero(bytes.data() + at, hole_block)) continue;
        write_at(fd, bytes.subspan(start, at - start), offset + start, what);
        start = at + hole_block;
    }
    write_at(fd, bytes.subspan(start), offset + start, what);
    return start == bytes.size();
}

// Between file systems of two kinds, where the kernel copies nothing.
void copy_range_by_hand(int from, int to, DataRange range, std::string_view what) {
    StreamBlock block;
    while (range.begin < range.end) {
        const std::size_t wanted = std::min<std::uint64_t>(block.bytes().size(), range.end - range.begin);
        const ssize_t count = ::pread(from, block.bytes().data(), wanted, static_cast<off_t>(range.begin));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw_errno("read", what);
        if (count == 0) throw Error(ErrorKind::corrupt, "copy: " + std::string(what) + ": is shorter than it was");
        write_at(to, block.bytes().first(static_cast<std::size_t>(count)), range.begin, what);
        range.begin += static_cast<std::uint64_t>(count);
    }
}

}  // namespace

void write_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset, std::string_view what) {
    while (!bytes.empty()) {
        const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw_errno("write", what);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
}

void write_with_holes(int fd, const std::function<std::size_t(std::span<std::byte>)>& read, std::span<std::byte> buffer,
                      std::string_view what) {
    std::uint64_t offset = 0;
    bool ends_in_hole = false;
    for (std::size_t filled = buffer.size(); filled == buffer.size(); offset += filled) {
        filled = 0;
        while (filled < buffer.size()) {
            const std::size_t count = read(buffer.subspan(filled));
            if (count == 0) break;
            filled += count;
        }
        if (filled > 0) ends_in_hole = write_but_zeros(fd, buffer.first(filled), offset, what);
    }
    if (ends_in_hole && ::ftruncate(fd, static_cast<off_t>(offset)) < 0) throw_errno("write", what);
}

std::optional<DataRange> next_data(int fd, std::uint64_t offset, std::string_view what) {
    const off_t begin = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return std::nullopt;
    const off_t end = begin < 0 ? begin : ::lseek(fd, begin, SEEK_HOLE);
    if (end < 0) throw_errno("read", what);
    return DataRange{static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
}

void copy_range(int from, int to, const DataRange& range, std::string_view what) {
    for (std::uint64_t at = range.begin; at < range.end;) {
        auto in = static_cast<off_t>(at);
        auto out = static_cast<off_t>(at);
        const ssize_t count = ::copy_file_range(from, &in, to, &out, static_cast<std::size_t>(range.end - at), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EXDEV) return copy_range_by_hand(from, to, {at, range.end}, what);
        if (count < 0) throw_errno("copy", what);
        if (count == 0) throw Error(ErrorKind::corrupt, "copy: " + std::string(what) + ": is shorter than it was");
        at += static_cast<std::uint64_t>(count);
    }
}

}  // namespace imgbuild
