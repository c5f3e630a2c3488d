// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/detail/draft.h"
#include "builder/edit/detail/metadata_change.h"
#include "builder/edit/edit.h"

namespace imgbuild::builder {

layerstore::TreeDelta make_directory(const MakeWorkingDirectory& edit, const EditInputs& inputs) {
    MetadataChange change;
    if (!edit.owner.empty()) change.owner = inputs.find_owner(edit.owner);
    Draft draft(inputs.root);
    draft.require_directory(inputs.root.resolve(edit.path), change.new_directory());
    return draft.delta();
}

}  // namespace imgbuild::builder
