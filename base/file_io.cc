// SPDX-License-Identifier: Apache-2.0
#include "base/file_io.h"

#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace imgbuild {

void write_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset, std::string_view what) {
    while (!bytes.empty()) {
        const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw_errno("write", what);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
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
        if (count < 0) throw_errno("copy", what);
        if (count == 0) throw Error(ErrorKind::corrupt, "copy: " + std::string(what) + ": is shorter than it was");
        at += static_cast<std::uint64_t>(count);
    }
}

}  // namespace imgbuild
