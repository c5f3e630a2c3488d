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

// `path` in `from`; errors call it `whole`.
Fd open_file(const Directory& from, std::string_view path, std::string_view whole) {
    try {
        // O_NONBLOCK: a fifo put in the file's place must not hang us.
        return from.open(ImagePath::clean(path), O_RDONLY | O_NONBLOCK | O_NOFOLLOW, FollowLinks::never);
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::denied)
            throw Error(ErrorKind::denied, "context: " + shown(whole) + ": Permission denied",
                        "make it readable, or list it in .dockerignore");
        // Gone, or a link now, there or on the way.
        if (error.kind() == ErrorKind::not_found || error.kind() == ErrorKind::invalid_input)
            throw changed_while_reading(whole);
        throw;
    }
}

// Opens files one after the other, most of them in the directory of the one before.
class FileOpener {
  public:
    explicit FileOpener(const Directory& root) : root_(root) {}

    Fd open(std::string_view path) {
        const std::size_t slash = path.rfind('/');
        const std::string_view parent = path.substr(0, slash);
        if (slash == 0) return open_file(root_, path, path);
        if (parent != parent_) {
            directory_ = Directory(open_file(root_, parent, path), std::string(parent));
            parent_ = parent;
        }
        return open_file(directory_, path.substr(slash), path);
    }

  private:
    const Directory& root_;
    std::string parent_;
    Directory directory_;
};

void hash_open_file(const Fd& fd, std::string_view path, IndexRecord& record, std::span<std::byte> block) {
    if (!is_still(fd.get(), record.identity, path)) throw changed_while_reading(path);
    record.xattrs = layerstore::read_xattrs(fd.get(), ImagePath::clean(path));
    KnownFileReader reader(fd.get(), record.identity.size, path);
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

}  // namespace

std::size_t KnownFileReader::read(std::span<std::byte> buffer) {
    if (at_end_) return 0;
    try {
        const std::size_t count = file_.read(buffer);
        count_ += count;
        at_end_ = count_ >= size_ && count < buffer.size();
        return count;
    } catch (Error& error) {
        error.add_frame("context: " + shown(path_));
        throw;
    }
}

Fd open_context_file(const Directory& root, std::string_view path) { return open_file(root, path, path); }

void hash_file(const Directory& root, std::string_view path, IndexRecord& record, std::span<std::byte> block) {
    hash_open_file(open_context_file(root, path), path, record, block);
}

void hash_files(const Directory& root, FoundPaths& found, const std::vector<std::uint32_t>& jobs, TaskPool& pool) {
    for_each_index(pool, jobs.size(), [&] {
        return
            [&, block = std::make_shared<StreamBlock>(), opener = std::make_shared<FileOpener>(root)](std::size_t job) {
                const std::uint32_t entry = jobs[job];
                const std::string_view path = found.path(entry);
                hash_open_file(opener->open(path), path, found.entries[entry].record, block->bytes());
            };
    });
}

}  // namespace imgbuild::builder
