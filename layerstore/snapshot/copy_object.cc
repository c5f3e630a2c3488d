// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_io.h"
#include "layerstore/snapshot/directory_stack.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::layerstore {
namespace {

// The bytes of a file, holes kept; shared with the source where the file system can.
void copy_content(int from, int to, off_t size, const ImagePath& path) {
    if (size == 0 || ::ioctl(to, FICLONE, from) == 0) return;
    const std::string what = path.absolute();
    for (auto data = next_data(from, 0, what); data; data = next_data(from, data->end, what))
        copy_range(from, to, *data, what);
    if (::ftruncate(to, size) < 0) throw_errno("copy", path.absolute());
}

// Makes a file with the bytes of `from`, whose attributes come into `entry`; still without what dress() gives it.
Fd copy_file(int from_parent, const ImagePath& from_path, int to_parent, const ImagePath& to_path, Entry& entry) {
    Fd from(::openat(from_parent, name_of(from_path).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!from) throw_errno("open", from_path.absolute());
    Fd to(::openat(to_parent, name_of(to_path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                   entry.mode & 0777));
    if (!to) throw_errno("make file", to_path.absolute());
    copy_content(from.get(), to.get(), static_cast<off_t>(entry.size), to_path);
    entry.xattrs = read_xattrs(from.get(), from_path);
    return to;
}

}  // namespace

void copy_object(int from_parent, const ImagePath& from, int to_parent, const ImagePath& to, const struct stat& found,
                 OverlaySpelling spelling) {
    Entry entry = entry_below(found, from_parent, from, spelling);
    if (entry.is_file()) {
        entry.size = static_cast<std::uint64_t>(found.st_size);
        const Fd copy = copy_file(from_parent, from, to_parent, to, entry);
        dress(copy.get(), entry, to, spelling);
        return stamp(copy.get(), entry.mtime, to);
    }
    if (entry.kind == EntryKind::symlink) {
        entry.link_target.resize(ImagePath::max_bytes);
        ssize_t length =
            ::readlinkat(from_parent, name_of(from).c_str(), entry.link_target.data(), entry.link_target.size());
        if (length < 0) throw_errno("read link", from.absolute());
        entry.link_target.resize(static_cast<std::size_t>(length));
    }
    if (make_special(to_parent, to, entry, spelling)) stamp_at(to_parent, to, entry.mtime);
}

}  // namespace imgbuild::layerstore
