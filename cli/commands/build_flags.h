// SPDX-License-Identifier: Apache-2.0
#pragma once

// The flags of build, plan and verify as they stand on the command line; build_options reads their values.

#include <optional>
#include <string>
#include <vector>

#include "cli/common/common_options.h"

namespace imgbuild::cli {

/// What the processes of a RUN may use together.
struct LimitFlags {
    std::optional<std::string> memory, memory_swap, cpus, cpu_period, cpu_quota, cpu_shares, cpuset_cpus, cpuset_mems,
        pids, cgroup_parent, step_timeout;
};

struct BuildFlags {
    CommonOptions common;
    LimitFlags limits;
    std::optional<std::string> context, file, target, network, shm_size, jobs, iidfile, metadata_file, profile;
    std::optional<std::string> no_cache, require_cached;
    std::optional<std::string> pull, progress, call, context_modes, created, timestamps, repro, format_version,
        provenance, sbom, on_failure;
    std::vector<std::string> tags, platforms, build_args, build_arg_files, build_contexts, labels, annotations, outputs;
    std::vector<std::string> allow, no_cache_filters, secrets, ssh, add_hosts, ulimits, attests, cache_from, cache_to;
    bool load = false, push = false, offline = false, check = false, quiet = false, explain = false;

    // Of verify alone.
    std::optional<std::string> image, format, html, second_store;
    bool twice = false;
};

/// Fills `flags`; false when help was asked for, which was then printed. Error{usage} as OptionSet::parse().
bool read_build_flags(const std::string& command, Arguments arguments, BuildFlags& flags);

}  // namespace imgbuild::cli
