// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/detail/metadata_change.h"

namespace imgbuild::builder {

layerstore::Entry MetadataChange::applied_to(layerstore::Entry entry) const {
    if (owner) {
        entry.uid = owner->uid;
        entry.gid = owner->gid;
    }
    if (mode && entry.kind != layerstore::EntryKind::symlink)
        entry.mode = mode->apply(entry.mode, entry.is_directory());
    return entry;
}

layerstore::Entry MetadataChange::new_directory() const {
    // A symbolic mode is relative to a source, which such a directory does not have.
    std::optional<ModeChange> octal = mode && mode->octal() ? mode : std::nullopt;
    return MetadataChange{owner, octal}.applied_to(layerstore::implied_directory());
}

}  // namespace imgbuild::builder
