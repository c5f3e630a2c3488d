// SPDX-License-Identifier: Apache-2.0
#pragma once

// COPY, ADD and WORKDIR as pure functions on trees (docs/buildfile.md, COPY and ADD): no mount, no privilege, no
// unpacked base.
//
// What they give is not normalised: a COPY puts everything it names, whatever stands there already, so that its
// layer does not depend on the base. Directories on the way that exist are not put; the caller completes the delta.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/edit/accounts.h"
#include "builder/plan/build_plan.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

/// What an edit works on.
struct EditInputs {
    layerstore::Tree root;
    std::vector<layerstore::Tree> sources;  ///< of TransferSource::input
    /// Where the Buildfile's own files (heredocs) go.
    layerstore::MemoryContents& inline_contents;
    /// The owner that a text means in `root`.
    std::function<Owner(const std::string& text)> find_owner;
    /// The content of an archive, on nothing; empty when the file is none. Asked only where ADD unpacks.
    std::function<std::optional<layerstore::TreeDelta>(const layerstore::Entry& file, const std::string& name)> unpack;
    /// Says why a source that does not exist is missing: the hint of its error. May be empty.
    std::function<std::string(const TransferSource& source)> explain_missing;
};

/// Puts the directory and its missing parents (0755, the owner named); nothing where it exists. The path's links are
/// followed inside the root. Error{usage} where something that is no directory is in the way.
layerstore::TreeDelta make_directory(const MakeWorkingDirectory& edit, const EditInputs& inputs);

/// Throws Error{not_found} naming a literal source that does not exist, Error{usage} where a file would have to
/// replace a directory or a directory a file.
layerstore::TreeDelta transfer_files(const TransferFiles& edit, const EditInputs& inputs);

}  // namespace imgbuild::builder
