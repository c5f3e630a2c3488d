// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a step's result depends on, as labelled parts: their digest is the key of its memo, and the parts themselves are
// kept beside it, so that a miss can be explained. A key never covers what was not looked at.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/wire.h"
#include "builder/cache/step_times.h"
#include "builder/plan/build_plan.h"
#include "layerstore/tree/tree.h"

namespace imgbuild::builder {

class StepKey {
  public:
    /// `operation` is the first part; the format version of keys goes with it.
    explicit StepKey(std::string_view operation);

    StepKey& add(std::string_view label, std::string_view value);
    StepKey& add(std::string_view label, const Digest& value);
    StepKey& add(std::string_view label, std::uint64_t value);

    Digest digest() const;
    /// docs/formats/keys.md.
    const std::string& preimage() const noexcept { return parts_.bytes(); }

    /// The parts of a preimage; Error{corrupt} for anything that a key does not write.
    static std::vector<std::pair<std::string, std::string>> read_preimage(std::string_view preimage);

  private:
    WireWriter parts_;
};

/// What a RUN sees of the outside besides its command: content, and times only where files keep theirs.
struct RunKeyInputs {
    Digest root;                 ///< StepTimes::identity()
    std::vector<Digest> mounts;  ///< of RunMount::input, in the order of the mounts that have one
    std::string hostname;        ///< empty: the usual one
    std::vector<std::pair<std::string, std::string>> added_hosts;
    std::uint64_t shm_size = 0;       ///< bytes
    std::vector<std::string> limits;  ///< "name=soft:hard"
    std::string times;                ///< StepTimes::text()
    std::string scrub;                ///< which files are taken away from its result; empty: none
};
StepKey run_key(const RunCommand& command, const RunKeyInputs& inputs);

/// What one source of a COPY may see of the tree that it names: the file or directory itself where the pattern is
/// literal, so that nothing beside it disturbs the step, else the whole tree.
Digest content_of_source(const TransferSource& source, const TransferFiles& transfer, const layerstore::Tree& tree,
                         const StepTimes& times);
/// What stands at `path`, which exists, as a key covers it.
Digest content_at(const layerstore::Tree& tree, const ImagePath& path, const StepTimes& times);

/// What an edit works on, as StepTimes::identity() says it.
struct EditKeyInputs {
    Digest root;
    std::vector<Digest> sources;  ///< content_of_source() of each of the edit's sources
    std::string times;            ///< StepTimes::text()
};
StepKey edit_key(const EditFiles& edit, const EditKeyInputs& inputs);

/// Of what a URL gave.
StepKey fetch_key(const FetchUrl& fetch);

}  // namespace imgbuild::builder
