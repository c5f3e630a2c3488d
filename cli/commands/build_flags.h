// SPDX-License-Identifier: Apache-2.0
#pragma once

// The flags of build and plan as they stand on the command line; build_options reads their values.

#include <optional>
#include <string>
#include <vector>

#include "cli/common/common_options.h"

namespace imgbuild::cli {

struct BuildFlags {
    CommonOptions common;
    std::optional<std::string> context, file, target, network, shm_size, jobs, iidfile, metadata_file, profile;
    std::optional<std::string> pull, progress, call, context_modes, created, timestamps, provenance, sbom;
    std::vector<std::string> tags, platforms, build_args, build_arg_files, build_contexts, labels, annotations, outputs;
    std::vector<std::string> allow, no_cache_filters, secrets, ssh, add_hosts, ulimits, attests, cache_from, cache_to;
    bool load = false, no_cache = false, offline = false, require_cached = false, check = false, quiet = false,
         explain = false;
};

/// Fills `flags`; false when help was asked for, which was then printed. Error{usage} as OptionSet::parse().
bool read_build_flags(const std::string& command, Arguments arguments, BuildFlags& flags);

}  // namespace imgbuild::cli
