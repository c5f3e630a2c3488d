// SPDX-License-Identifier: Apache-2.0
#pragma once

// What type=local and type=tar write: the files of all images as one tree, with statements about them.

#include <memory>

#include "cli/commands/attestations.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"

namespace imgbuild::cli {

struct ResultFiles {
    layerstore::Tree tree;
    std::shared_ptr<layerstore::ContentSources> contents;
};

/// Several platforms have a folder each ("linux_arm64"), unless the output says otherwise. Error{usage} where a
/// statement or, in one folder, a file of another platform would replace a file.
ResultFiles result_files(const BuildOptions& options, const OutputOption& output, const builder::BuildPlan& plan,
                         const builder::Solved& solved, const Attestations& attestations);

}  // namespace imgbuild::cli
