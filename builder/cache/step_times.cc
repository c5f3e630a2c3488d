// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/step_times.h"

#include <fmt/core.h>

#include <algorithm>

namespace imgbuild::builder {

using layerstore::Change;
using layerstore::ChangeKind;
using layerstore::FileTime;
using layerstore::TreeDelta;

std::string StepTimes::text() const {
    switch (mode) {
        case Timestamps::fixed: return "";
        case Timestamps::clamp: return fmt::format("clamp {}", latest.seconds);
        case Timestamps::preserve: return "preserve";
    }
    return "";
}

Digest StepTimes::identity(const layerstore::Tree& tree) const {
    return are_kept() ? tree.id().value : tree.content_id().value;
}

Digest StepTimes::identity(const layerstore::Entry& entry) const {
    WireWriter encoded;
    layerstore::encode_entry(encoded, entry, are_kept());
    return Sha256::of(encoded.bytes());
}

TreeDelta StepTimes::seal(const TreeDelta& delta) const {
    if (!are_kept()) return layerstore::with_times(delta, layerstore::default_file_time);
    std::vector<Change> changes(delta.changes().begin(), delta.changes().end());
    for (Change& change : changes) {
        if (change.kind == ChangeKind::remove) continue;
        FileTime& time = change.entry.mtime;
        // Fractions would cost a header more for each file, and no other builder's layers have them.
        time.nanoseconds = 0;
        if (mode == Timestamps::clamp) time = std::min(time, latest);
    }
    return TreeDelta::build(std::move(changes), {delta.links().begin(), delta.links().end()});
}

}  // namespace imgbuild::builder
