// SPDX-License-Identifier: Apache-2.0
#pragma once

// Evaluates a plan: what is known is not done again, what is ready runs, everything that was finished is kept.
//
// One thread, the caller's, owns the state of the build; jobs run on a pool and come back through one queue.

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "builder/cache/step_times.h"
#include "builder/image/image_assembly.h"
#include "builder/plan/build_plan.h"
#include "builder/remote/context_files.h"
#include "builder/sandbox/probe.h"
#include "builder/sandbox/run_spec.h"
#include "builder/solve/build_events.h"
#include "layerstore/layer/packing.h"
#include "layerstore/store/store.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"
#include "parser/ignore/ignore_rules.h"

namespace imgbuild::builder {

class CacheExport;
class ImportedCache;

/// A directory of the host that steps copy from.
struct ContextDirectory {
    std::string path;
    parser::IgnoreRules ignore;
    std::string ignore_name;  ///< ".dockerignore": as errors call it; empty where there is none
    bool git_modes = false;
};

/// A context that lies elsewhere.
struct ContextElsewhere {
    RemoteContext place;
    std::shared_ptr<const ContextTree> loaded;  ///< null where it is brought once a step needs it
    bool git_modes = false;
};

using BuildContext = std::variant<ContextDirectory, ContextElsewhere>;

/// Where secrets come from: read when a step needs them, never kept.
struct SecretSource {
    std::string file;         ///< a host path
    std::string environment;  ///< else a variable of ours
};

/// What all RUN steps have in common, from the command line.
struct RunSettings {
    std::string hostname;  ///< empty: that of every sandbox
    std::vector<std::pair<std::string, std::string>> added_hosts;
    std::uint64_t shm_size = 64 << 20;  ///< bytes
    std::vector<ResourceLimit> limits;
    ResourceBudget budget;
    std::uint64_t timeout_milliseconds = 0;          ///< of each command; 0: none
    std::map<std::string, SecretSource> secrets;     ///< by id
    std::map<std::string, std::string> ssh_sockets;  ///< by id: a host path
};

/// What the caller wants of the result.
struct SolveGoal {
    bool layers = false;  ///< SolvedImage::layers: packed, or known
    bool blobs = false;   ///< the bytes of all layers, those of the base too, in the store
    bool files = false;   ///< SolvedImage::contents can give every file of the tree
};

class FailedState;

/// Looks at what a command left that failed with `error`.
using LookAtFailure = std::function<void(FailedState& state, const Error& error)>;

struct SolveOptions {
    std::map<std::string, BuildContext> contexts;  ///< by ContextFiles::context
    layerstore::PackOptions packing;
    bool recompress_base = false;  ///< force-compression: layers of the base too
    bool oci_media_types = true;
    layerstore::FileTime file_time = layerstore::default_file_time;  ///< of entries in layers
    Timestamps timestamps = Timestamps::fixed;                       ///< else entries keep theirs
    bool scrub = false;  ///< --repro=strict: results of RUN are without what differs each time (builder/scrub)
    bool no_cache = false;
    std::vector<std::string> no_cache_stages;  ///< lower-case names
    std::vector<parser::Span> no_cache_spans;  ///< of instructions
    bool require_cached = false;
    std::vector<std::string> require_cached_stages;  ///< lower-case names
    bool offline = false;
    std::size_t jobs = 0;  ///< steps at once; 0: as many as there are processors
    std::optional<RootMode> root_mode;
    RunSettings run;
    /// Called on the thread of solve() before that throws for a command that failed, when nothing runs any more; empty
    /// where nobody wants to look.
    LookAtFailure when_command_failed;
    /// Static programs for whoever looks (own_command.h).
    std::shared_ptr<const ResolvedImage> tools;
    /// Where an instruction stands, as errors say it: "Buildfile:12".
    std::function<std::string(parser::Span)> locate;
    SolveGoal goal;
    std::vector<std::shared_ptr<ImportedCache>> imports;  ///< --cache-from, the first counts most
    std::vector<std::shared_ptr<CacheExport>> exports;    ///< --cache-to
    bool inline_cache = false;                            ///< --cache-to type=inline
};

/// What a scanner says of an image (PlannedImage::scan).
struct ScanReport {
    std::string name;  ///< "sbom.spdx.json"
    std::string bytes;
};

struct SolvedImage {
    layerstore::Tree tree;
    std::vector<FinishedLayer> layers;  ///< with SolveGoal::layers; lowest first
    std::size_t base_layers = 0;
    std::shared_ptr<layerstore::ContentSources> contents;
    std::vector<ScanReport> reports;
    std::string inline_cache;  ///< with SolveOptions::inline_cache: encode_inline(); empty where it would be too long
};

struct Solved {
    std::vector<SolvedImage> images;     ///< as BuildPlan::images
    std::vector<std::string> revisions;  ///< by node: of what came from elsewhere a commit, or "sha256:HEX"; else empty
    std::vector<ContentId> contents;     ///< by node: of its files
    std::size_t steps = 0;
    std::size_t cached_steps = 0;
};

/// Under SolveOptions::require_cached, a step whose result was not there; what stands above it was.
struct NotCached {
    NodeId node = 0;
    std::vector<std::string> causes;  ///< why, in lines for people
};

/// Throws Error: the first failure in plan order, after everything that was running has ended; a failed RUN is
/// Error{command_failed} with the place of its log and its last lines in the hint. Error{interrupted} where somebody
/// asked to stop.
std::variant<Solved, NotCached> solve(const BuildPlan& plan, const SolveOptions& options, layerstore::Store& store,
                                      layerstore::Store::Lease& lease, BuildObserver& observer);

}  // namespace imgbuild::builder
