// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the flags of build and plan say, read into types. Nothing is opened here: a fault of the command line is found
// before anything begins.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "builder/plan/planner.h"
#include "builder/resolve/image_finder.h"
#include "builder/solve/solver.h"
#include "cli/commands/annotation.h"
#include "cli/commands/attest_option.h"
#include "cli/commands/cache_option.h"
#include "cli/commands/output_option.h"
#include "cli/common/common_options.h"
#include "cli/progress/progress.h"
#include "parser/source/source.h"

namespace imgbuild::cli {

/// --call: what is wanted of a Buildfile instead of an image.
struct Call {
    enum class Method { build, check, outline, targets };
    Method method = Method::build;
    bool json = false;           ///< format=json
    bool ignore_status = false;  ///< ignorestatus=true: warnings of a check are no failure
};

/// The image that a name of the Buildfile stood for in an earlier build.
struct ImagePin {
    std::string reference;  ///< as the Buildfile has it, expanded; or a package URL, as provenance has it
    std::string platform;   ///< of the image: "linux/amd64"
    std::string digest;     ///< of its manifest
    friend bool operator==(const ImagePin&, const ImagePin&) = default;
};

struct BuildOptions {
    CommonOptions common;
    std::string context;                   ///< a directory, a tar, an URL or a repository; "-" is standard input
    std::optional<std::string> file;       ///< -f; "-" is standard input
    bool git_modes = false;                ///< --context-modes=git
    std::optional<parser::Source> source;  ///< the Buildfile's text, where it is known: then `file` is not read

    // What is planned.
    std::string target;
    std::map<std::string, std::string> build_args;          ///< SOURCE_DATE_EPOCH of the environment among them
    std::map<std::string, builder::NamedContext> contexts;  ///< of --build-context
    std::vector<layerstore::Platform> platforms;            ///< never empty, none twice
    std::map<std::string, std::string> labels;
    parser::RunNetwork network = parser::RunNetwork::inherit;
    bool allow_host_network = false;
    bool allow_insecure = false;
    builder::PullPolicy pull = builder::PullPolicy::missing;
    Call call;
    std::vector<ImagePin> pins;  ///< which images names stand for, whatever they stand for today

    // How it is built; `solve` has no contexts, goal and places yet.
    builder::SolveOptions solve;
    CacheOptions caches;                      ///< opened with the store
    std::vector<std::size_t> no_cache_lines;  ///< --no-cache=LINE,…
    bool created_from_git = false;            ///< --created=git: the time is that of the context's commit
    layerstore::FileTime file_time = layerstore::default_file_time;
    ProgressMode progress = ProgressMode::automatic;

    // Where the result goes.
    std::vector<std::string> names;  ///< full references
    std::vector<Annotation> annotations;
    AttestRequest attest;
    std::vector<OutputOption> outputs;  ///< never empty: without -o the store
    bool quiet = false;
    std::optional<std::string> iidfile;
    std::optional<std::string> metadata_file;
    std::optional<std::string> profile;  ///< where a trace of the build goes
    bool explain = false;
    bool shell_on_failure = false;  ///< --on-failure=shell

    /// The flags that decide the result, to be read again by read_build_flags(). Of a build argument its name alone:
    /// the value may be a secret.
    std::vector<std::string> request;

    std::vector<std::string> warnings;  ///< for people: flags that do nothing here

    /// True if the result is one for each of several platforms, or BUILDKIT_MULTI_PLATFORM is among the build arguments.
    bool is_multi_platform() const;
    /// True if an image that is made is an index: for several platforms, or with attestations.
    bool makes_index() const { return is_multi_platform() || attest.is_any(); }
};

inline constexpr std::string_view epoch_name = "SOURCE_DATE_EPOCH";

/// Error{usage}: this is no SOURCE_DATE_EPOCH.
[[noreturn]] void refuse_epoch(std::string_view epoch);

/// Sets the file time from a number of seconds. Error{usage} for what is none, or later than a date can be written.
void set_file_time(BuildOptions& options, std::string_view epoch);

/// A variable of the process's environment.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string&)>;

struct BuildFlags;
/// What `flags`, which name a context, say. Error{usage} names the flag.
BuildOptions build_options_of(const BuildFlags& flags, const EnvironmentLookup& environment);

/// Reads the command line of `command` ("build", "plan"). Empty when it asked for help, which was then printed.
/// Error{usage} names the flag.
std::optional<BuildOptions> read_build_options(const std::string& command, Arguments arguments,
                                               const EnvironmentLookup& environment);

}  // namespace imgbuild::cli
