// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the store remembers of builds: when, what, how long, and why each step was done (docs/formats/build-record.md).
// Nothing needs it; a record that is lost or damaged is one that never was.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

enum class StepOutcome { cached, done, failed, stopped };

/// A step, or work without a number: a context, a base image, a fetch.
struct RecordedStep {
    std::string name;   ///< as progress calls it, one safe line
    std::string place;  ///< "Buildfile:3"; empty for what has none
    bool is_step = false;
    StepOutcome outcome = StepOutcome::stopped;
    double begin = 0;     ///< seconds since the build began
    double duration = 0;  ///< seconds
    std::vector<std::string> causes;
    std::string stage;                ///< of a step
    std::vector<std::size_t> inputs;  ///< places in BuildRecord::steps, each before its own
    std::string result;               ///< of COPY, ADD, WORKDIR and RUN: equal for equal files
    double cost = 0;                  ///< seconds that `result` took when it was made, now or in an earlier build
    std::string error;                ///< of one that failed, for people
    Json end;                         ///< of a command that failed (cli/progress/run_end_json.h); else null
    std::string log;                  ///< the path of its full output; may be empty

    // What `imgbuild debug` needs. The files are those of the step `below` and these deltas on them.
    std::optional<std::size_t> below;  ///< index of an earlier step of the record
    std::vector<std::string> deltas;   ///< digests as hex; empty where the step came to nothing
    std::optional<std::string> user;   ///< of a RUN, and of a base image; empty: as the step below has it
    std::optional<std::string> directory;
    std::optional<std::vector<std::string>> environment;
    std::vector<Json> mounts;  ///< of a RUN (recorded_mounts.h)
};

/// What a build took in, so that `imgbuild verify` can ask for it again.
struct RecordedInputs {
    std::vector<std::string>
        flags;                   ///< BuildOptions::request and what became of the rest; no values of build arguments
    std::string buildfile_name;  ///< as messages call it; the whole path of a file of this machine
    std::string buildfile;       ///< its text; empty where it is long
    struct Base {
        std::string reference, platform, digest;
        friend bool operator==(const Base&, const Base&) = default;
    };
    std::vector<Base> bases;
    struct Source {
        std::string name;      ///< of a context, or the step that fetches
        std::string identity;  ///< digest of what steps saw of it, or a commit
        friend bool operator==(const Source&, const Source&) = default;
    };
    std::vector<Source> contexts;  ///< in the order of the plan
    friend bool operator==(const RecordedInputs&, const RecordedInputs&) = default;
};

struct BuildRecord {
    std::string id;            ///< its file's name; empty before it is saved
    std::int64_t started = 0;  ///< milliseconds since 1970
    double duration = 0;       ///< seconds
    std::string context;
    std::string result;  ///< digest of the image or index; empty where there is none
    bool succeeded = false;
    std::vector<std::string> images;  ///< digests of the manifests
    std::optional<RecordedInputs> inputs;
    std::vector<RecordedStep> steps;  ///< in the order in which they began

    std::size_t count_steps() const noexcept;
    std::size_t count_cached() const noexcept;

    std::string encode() const;
    /// Throws Error{invalid_input}.
    static BuildRecord decode(std::string_view json);
    /// Trace events, as trace viewers of browsers read them; work that overlaps lies in several rows.
    std::string trace() const;
};

/// Keeps it, and of all records the newest 200. A store that cannot be written to keeps none.
void save_record(layerstore::Store& store, const BuildRecord& record);
/// All that can be read, the newest first.
std::vector<BuildRecord> load_records(layerstore::Store& store);
/// The last build, or the one whose id begins with `id`. Error{not_found} "WHO: no build …".
BuildRecord choose_record(layerstore::Store& store, const std::optional<std::string>& id, std::string_view who);
/// True if people mean `step` by `word`: a line of the Buildfile, or words of the step.
bool is_called(const RecordedStep& step, std::string_view word);

}  // namespace imgbuild::cli
