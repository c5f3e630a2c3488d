// SPDX-License-Identifier: Apache-2.0
#pragma once

// The overlay spelling of a TreeDelta: a directory that the kernel's overlay file system takes as one layer.
// A removal is a character device 0:0, a directory that hides what lies below it carries an attribute, and
// everything else is itself. Only this folder knows that (docs/formats/snapshot.md).
//
// All functions work below a held directory and follow no link, whatever stands in it. They are run by the
// sandbox's helper, which is root in some user namespace; as anybody else they can keep no foreign owner.

#include <cstdint>
#include <string>
#include <vector>

#include "base/directory.h"
#include "base/stream.h"
#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::layerstore {

/// How a directory says what overlay would have to be told.
enum class OverlaySpelling : std::uint8_t {
    trusted,  ///< trusted.overlay.*: root of the initial user namespace
    user,     ///< user.overlay.*: everybody else (mount option userxattr); device nodes are left out
    single,   ///< as `user`, where no other owner can be had: owners and device nodes are kept in a record of each file
              ///< (status_record.h)
    plain,    ///< for root where nothing can be mounted and layers are laid over each other by lay_over(): no attribute
              ///< is needed; device nodes are left out where none can be made
};

/// The attribute that says "nothing of the lower layers shows in this directory"; null in the plain spelling, where a
/// removal of ".wh..wh..opq", which no layer can hold, says it.
const char* opaque_attribute(OverlaySpelling spelling) noexcept;

/// True where the mount option userxattr tells overlay which attributes to use.
bool uses_user_attributes(OverlaySpelling spelling) noexcept;
/// True where a device node of a delta always has something that stands for it.
bool keeps_devices(OverlaySpelling spelling) noexcept;

/// `delta` as a layer that can stand on `base` in overlay spelling: the parents of everything it changes are
/// put as they stand in `base`, because a directory of an upper layer covers the lower one's owner, mode and
/// time; removals of what `base` does not have are left out, because overlay would show them as devices where
/// no lower directory is merged. apply(base, result) == apply(base, delta). Materialise only such deltas, under
/// the result's own id.
TreeDelta complete_for(const TreeDelta& delta, const Tree& base);

/// Writes the delta that a canonical tar (layer/tar_writer) holds into the empty directory `out`, reading the
/// tar to its end. A parent that the tar does not name becomes 0755, root, default_file_time. Blocks of zero
/// bytes become holes. Error{invalid_input} for a tar that is not in canonical order.
void write_upper(ByteReader& canonical_tar, const Directory& out, OverlaySpelling spelling);

/// What stands in an upper directory, as a delta with digests: sockets are left out, attributes by
/// keeps_xattr(). Puts may be of things that the lower layers hold already.
TreeDelta read_upper(const Directory& upper, OverlaySpelling spelling);

/// Reads all that stands in an upper directory and says, one line for each, which paths are not as `delta` has them:
/// missing, of another kind, size, content, mode, owner, target or attributes, or not in it at all. Empty when all is
/// well. Times are not compared.
std::vector<std::string> check_upper(const Directory& upper, const TreeDelta& delta, OverlaySpelling spelling);

/// Makes an upper directory spell `delta`, which came out of read_upper() by normalise() and complete_for():
/// what `delta` does not name goes, removals and opaque marks become those of `delta`, and every entry that it
/// puts gets the time that stands there.
void finish_upper(const Directory& upper, const TreeDelta& delta, OverlaySpelling spelling);

/// Lays the layer in `layer` over the one in `target`, which becomes both in one: what overlay shows of the two
/// on any lower layers is what it shows of `target` alone. Contents are shared with the source where the file
/// system can (reflinks), else copied.
void merge_upper(const Directory& layer, const Directory& target, OverlaySpelling spelling);

/// Lays the layer in `layer` over the file system in `target`, as overlay would show the two: what the layer removes is
/// gone. Contents as by merge_upper(). With `only`, nothing but that path, what lies below it and its parents.
void lay_over(const Directory& layer, const Directory& target, OverlaySpelling spelling, const ImagePath& only = {});

}  // namespace imgbuild::layerstore
