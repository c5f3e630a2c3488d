// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/image_path.h"
#include "builder/context/detail/found.h"

namespace imgbuild::builder {
namespace {

constexpr std::size_t block_bytes = 64 * 1024;
struct alignas(dirent64) Block {
    char bytes[block_bytes];
};

}  // namespace

Listing Listing::read(int directory, std::string_view path) {
    Listing listing;
    auto block = std::make_unique_for_overwrite<Block>();
    for (;;) {
        ssize_t filled = ::getdents64(directory, block->bytes, block_bytes);
        if (filled < 0) throw_unreadable(path);
        if (filled == 0) break;
        for (ssize_t at = 0; at < filled;) {
            const auto* entry = reinterpret_cast<const dirent64*>(block->bytes + at);
            at += entry->d_reclen;
            std::string_view name = entry->d_name;
            if (name != "." && name != "..") listing.add(name, entry->d_type);
        }
    }
    std::ranges::sort(listing.names_, {}, [&](const Name& name) { return listing.text(name); });
    return listing;
}

void Listing::add(std::string_view name, std::uint8_t type) {
    names_.push_back({static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint16_t>(name.size()), type});
    bytes_ += name;
    bytes_ += '\0';
}

std::optional<struct stat> status_at(int directory, const char* name, std::string_view path) {
    struct stat status {};
    if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
    try {
        throw_unreadable(path);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return std::nullopt;
    }
}

std::string link_target_at(int directory, const char* name, std::string_view path) {
    std::string target(ImagePath::max_bytes + 1, '\0');
    ssize_t length = ::readlinkat(directory, name, target.data(), target.size());
    if (length < 0) throw_unreadable(path);
    target.resize(static_cast<std::size_t>(length));
    return target;
}

}  // namespace imgbuild::builder
