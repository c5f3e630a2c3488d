// SPDX-License-Identifier: Apache-2.0
#pragma once

// Single objects of an upper directory: made, dressed with owner, mode, attributes and time, marked. What the
// codec's functions share; for this folder only, but kind_of(), read_xattrs() and set_owner(), which others
// use too.

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/image_path.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/snapshot/status_record.h"
#include "layerstore/tree/entry.h"

namespace imgbuild::layerstore {

/// True for the character device 0:0, which is how overlay spells a removal, and the plain spelling its opaque marks,
/// too: see is_opaque_mark(). Where the store itself lies on an overlay, which allows nobody that device, 0:1048575
/// stands for it.
bool is_whiteout(const struct stat& status) noexcept;
/// The kind of what has that mode; a socket is a file: an empty one stands for it.
EntryKind kind_of(mode_t mode) noexcept;
/// True if `name`, of a removal, is no removal but the opaque mark of its directory.
bool is_opaque_mark(std::string_view name, OverlaySpelling spelling) noexcept;
/// Kind, mode, owner, time and device number; what is read from the object itself is left empty.
Entry entry_of(const struct stat& status);
/// The same of an open file or directory, and of a name in an open directory, as `spelling` keeps it.
Entry entry_of_open(const struct stat& status, int fd, OverlaySpelling spelling);
Entry entry_below(const struct stat& status, int parent, const ImagePath& path, OverlaySpelling spelling);
/// True if the open directory carries the opaque mark.
bool is_opaque(int directory, OverlaySpelling spelling);
void set_opaque(int directory, OverlaySpelling spelling, const ImagePath& path);
void clear_opaque(int directory, OverlaySpelling spelling);
void make_whiteout(int parent, const ImagePath& path);

/// Makes a directory that only its owner enters until dress() gives it its mode.
void make_raw_directory(int parent, const ImagePath& path);
/// Makes a symlink, fifo or device with everything but its time; a device that `spelling` cannot hold is
/// left out (false).
bool make_special(int parent, const ImagePath& path, const Entry& entry, OverlaySpelling spelling);
/// Owner, mode and attributes of an open file or directory, in the one order that keeps set-uid bits and
/// capabilities: chown clears both.
void dress(int fd, const Entry& entry, const ImagePath& path, OverlaySpelling spelling);
/// Owner and group of an open file or directory, as far as `spelling` can keep them; an Error has `what` as its object.
void set_owner(int fd, std::uint32_t uid, std::uint32_t gid, OverlaySpelling spelling, const std::string& what);
/// Makes `to` what `from` is, a non-directory of which lstat said `found`: bytes shared where the file system can, else
/// copied, holes kept. The name is free; the last components are looked up in the two parents.
void copy_object(int from_parent, const ImagePath& from, int to_parent, const ImagePath& to, const struct stat& found,
                 OverlaySpelling spelling);
void stamp(int fd, FileTime time, const ImagePath& path);
void stamp_at(int parent, const ImagePath& path, FileTime time);

/// The attributes of an open file or directory that a tree holds; null when there are none.
std::shared_ptr<const Xattrs> read_xattrs(int fd, const ImagePath& path);

}  // namespace imgbuild::layerstore
