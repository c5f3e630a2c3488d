// SPDX-License-Identifier: Apache-2.0
#pragma once

// An archive of others as a delta, its files at hand: unpacked once by the helper, the strict tar that comes out kept
// in a file without a name.

#include <memory>
#include <optional>
#include <string>

#include "base/directory.h"
#include "base/fd.h"
#include "base/stream.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

struct UnpackedArchive {
    layerstore::TreeDelta delta;  ///< puts only, as the archive says: owners, modes and times are its own
    std::shared_ptr<layerstore::ContentSource> contents;
};

/// Unpacks `archive` from its position on, with files in `scratch`; `name` and `hint` are for errors. Empty when it is
/// no archive. Error{usage} for one that is damaged or holds what must not get into an image.
std::optional<UnpackedArchive> read_archive(Fd archive, const Directory& scratch, const std::string& name,
                                            const char* hint = "");

/// What `reader` still has as a file of our own at its beginning, because a helper reads a descriptor. Empty where the
/// first bytes are of no archive.
std::optional<Fd> copy_if_archive(ByteReader& reader, const Directory& scratch, const std::string& name);

/// To the beginning of an open file.
void rewind_file(const Fd& file, const std::string& name);

}  // namespace imgbuild::builder
