// SPDX-License-Identifier: Apache-2.0
#pragma once

// Archives that ADD unpacks: as COPY, but that the links of the image are followed on the way to a file.

#include "builder/edit/detail/draft.h"
#include "builder/edit/detail/metadata_change.h"

namespace imgbuild::builder {

/// Puts the content of an archive below the directory `destination`, whose own metadata stays. Files replace files,
/// directories of the archive replace files and merge with directories; one where the draft has a link goes to where the link points inside the draft, so that an archive with bin/ can
/// be unpacked over a bin that is a link. Error{usage} where a file would replace a directory, and where a directory
/// that the archive does not list would replace a file: as tar has it.
void merge_archive(Draft& draft, DraftNode& destination, const layerstore::TreeDelta& archive,
                   const MetadataChange& change);

}  // namespace imgbuild::builder
