// SPDX-License-Identifier: Apache-2.0
#pragma once

// A command of the user's own in an image, or in what a step of an earlier build came to.

#include <memory>
#include <string>
#include <vector>

#include "builder/sandbox/sandbox.h"
#include "builder/solve/own_command.h"
#include "builder/solve/solver.h"

namespace imgbuild::builder {

/// Files, and what a command on them is given.
struct InspectedState {
    std::shared_ptr<const ResolvedImage> image;  ///< whose files they are; null where `layers` says it
    std::vector<DeltaId> layers;                 ///< lowest first; the store knows them
    std::vector<std::string> environment;
    std::string user;  ///< as USER gives it; "" is root
    ImagePath working_directory;
    parser::RunNetwork network = parser::RunNetwork::inherit;
    std::vector<RunMount> mounts;  ///< none of them from another stage or from the context
};

/// Runs it to its end; nothing that it changes is kept. Of `options`, what a RUN would take counts, and the tools;
/// `warn` gets what a build would warn of. BytesMissing where the store has not all of the files any more.
RunEnd inspect(const InspectedState& state, const OwnCommand& command, const Attachment& attachment,
               const SolveOptions& options, layerstore::Store& store, layerstore::Store::Lease& lease,
               const std::function<void(std::string)>& warn);

}  // namespace imgbuild::builder
