// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/hash_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <memory>

#include "base/cancel.h"
#include "base/image_path.h"
#include "base/side_by_side.h"
#include "base/stream.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::builder {
namespace {

bool is_still(int fd, const FileIdentity& identity, std::string_view path) {
    struct stat status {};
    if (::fstat(fd, &status) < 0) throw_unreadable(path);
    return S_ISREG(status.st_mode) && identity_of(status) == identity;
}

}  // namespace

Fd open_context_file(const Directory& root, std::string_view path) {
    try {
        // O_NONBLOCK: a fifo put in the file's place must not hang us.
        return root.open(ImagePath::clean(path), O_RDONLY | O_NONBLOCK | O_NOFOLLOW, FollowLinks::never);
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::denied)
            throw Error(ErrorKind::denied, "context: " + shown(path) + ": Permission denied",
                        "make it readable, or list it in .dockerignore");
        // Gone, or a link now, there or on the way.
        if (error.kind() == ErrorKind::not_found || error.kind() == ErrorKind::invalid_input)
            throw changed_while_reading(path);
        throw;
    }
}

void hash_file(const Directory& root, std::string_view path, IndexRecord& record, std::span<std::byte> block) {
    Fd fd = open_context_file(root, path);
    if (!is_still(fd.get(), record.identity, path)) throw changed_while_reading(path);
    record.xattrs = layerstore::read_xattrs(fd.get(), ImagePath::clean(path));
    FdReader reader(fd.get(), shown(path));
    Sha256 hash;
    std::uint64_t total = 0;
    while (std::size_t count = reader.read(block)) {
        throw_if_cancelled();
        hash.update(std::span<const std::byte>(block.first(count)));
        total += count;
        if (total > record.identity.size) throw changed_while_reading(path);
    }
    if (total != record.identity.size || !is_still(fd.get(), record.identity, path)) throw changed_while_reading(path);
    record.content = hash.finish();
}

void hash_files(const Directory& root, FoundPaths& found, const std::vector<std::uint32_t>& jobs, TaskPool& pool) {
    for_each_index(pool, jobs.size(), [&] {
        return [&, block = std::make_shared<StreamBlock>()](std::size_t job) {
            const std::uint32_t entry = jobs[job];
            hash_file(root, found.path(entry), found.entries[entry].record, block->bytes());
        };
    });
}

}  // namespace imgbuild::builder
