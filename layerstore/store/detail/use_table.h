// SPDX-License-Identifier: Apache-2.0
#pragma once

// When each of a fixed set of objects was last needed: never, at a time, or always (what an image or a running
// build holds).

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/digest.h"

namespace imgbuild::layerstore::detail {

class UseTable {
  public:
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();
    static constexpr std::int64_t always = std::numeric_limits<std::int64_t>::max();

    UseTable() = default;
    /// `ids` in any order, also twice.
    explicit UseTable(std::vector<Digest> ids) : ids_(std::move(ids)) {
        std::sort(ids_.begin(), ids_.end());
        ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
        uses_.assign(ids_.size(), never);
    }

    bool has(const Digest& id) const { return std::binary_search(ids_.begin(), ids_.end(), id); }
    /// Notes a use; an id that is not in the table is nothing. True when it is later than all before.
    bool note(const Digest& id, std::int64_t time) {
        const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
        if (found == ids_.end() || *found != id) return false;
        std::int64_t& use = uses_[static_cast<std::size_t>(found - ids_.begin())];
        if (use >= time) return false;
        use = time;
        return true;
    }
    std::int64_t of(const Digest& id) const {
        const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
        return found == ids_.end() || *found != id ? never : uses_[static_cast<std::size_t>(found - ids_.begin())];
    }
    const std::vector<Digest>& ids() const noexcept { return ids_; }

  private:
    std::vector<Digest> ids_;
    std::vector<std::int64_t> uses_;
};

}  // namespace imgbuild::layerstore::detail
