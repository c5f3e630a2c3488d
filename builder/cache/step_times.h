// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which times the results of steps have, what commands see of them and what keys cover (docs/reproducible.md, "Times that
// files have"). Usually all are one constant, and no key knows a time. Where files keep theirs, times are content like
// any other: whoever saw another one may have come to another result.

#include <string>

#include "base/digest.h"
#include "layerstore/tree/tree.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

/// --timestamps.
enum class Timestamps {
    fixed,     ///< one time for all that a build writes
    clamp,     ///< files keep theirs, none is later than SOURCE_DATE_EPOCH
    preserve,  ///< files keep theirs
};

struct StepTimes {
    Timestamps mode = Timestamps::fixed;
    layerstore::FileTime latest;  ///< with Timestamps::clamp

    bool are_kept() const noexcept { return mode != Timestamps::fixed; }
    /// As keys say it: "preserve", "clamp 1700000000"; empty for fixed times.
    std::string text() const;
    /// What a key covers of a tree: its ContentId, or its TreeId where times are kept.
    Digest identity(const layerstore::Tree& tree) const;
    /// The same of one entry.
    Digest identity(const layerstore::Entry& entry) const;
    /// `delta` with the times that the result of a step has: the constant, or its own in whole seconds, as far as they
    /// are not too late.
    layerstore::TreeDelta seal(const layerstore::TreeDelta& delta) const;
};

}  // namespace imgbuild::builder
