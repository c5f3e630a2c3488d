// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the store remembers of builds: when, what, how long, and why each step was done (docs/formats/build-record.md).
// Nothing needs it; a record that is lost or damaged is one that never was.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
    std::string stage = {};                ///< of a step
    std::vector<std::size_t> inputs = {};  ///< places in BuildRecord::steps, each before its own
    std::string result = {};               ///< of COPY, ADD, WORKDIR and RUN: equal for equal files
    double cost = 0;                       ///< seconds that `result` took when it was made, now or in an earlier build
};

struct BuildRecord {
    std::string id;            ///< its file's name; empty before it is saved
    std::int64_t started = 0;  ///< milliseconds since 1970
    double duration = 0;       ///< seconds
    std::string context;
    std::string result;  ///< digest of the image or index; empty where there is none
    bool succeeded = false;
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

}  // namespace imgbuild::cli
