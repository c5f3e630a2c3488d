// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a memo of a step (MemoKind::run, MemoKind::edit) says: docs/formats/records.md, "Memos".

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "layerstore/tree/tree.h"

namespace imgbuild::layerstore {

struct StepValue {
    DeltaId delta;
    std::uint64_t cost = 0;  ///< milliseconds that the step took when it was done; 0 where nobody noted it
    /// The tree that came out, on the root on which it was done.
    struct Applied {
        TreeId root;
        TreeRef result;
    };
    std::optional<Applied> applied;

    std::string encode() const;
    /// Error{corrupt} for what encode() does not write.
    static StepValue decode(std::string_view bytes);
};

}  // namespace imgbuild::layerstore
