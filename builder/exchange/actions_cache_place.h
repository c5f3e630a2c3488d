// SPDX-License-Identifier: Apache-2.0
#pragma once

// A cache in the cache service of GitHub Actions. The manifest of a scope and a ref is the newest of a row of entries,
// each made under the next number: who comes second is refused, and reads what the first one wrote.

#include <memory>
#include <string>
#include <vector>

#include "builder/exchange/cache_place.h"
#include "builder/fetch/actions.h"

namespace imgbuild::builder {

struct ActionsPlace {
    ActionsService service;
    std::string scope = "imgbuild";  ///< scope=: what several caches of one repository are told apart by
    /// Whoever has taken a key writes it at once: after this long he is taken for dead, and the key for lost.
    std::chrono::milliseconds patience{10'000};
};

inline constexpr std::size_t max_actions_scope_bytes = 200;

/// Where the job's results go: what its own ref has. Who may not write reads it all the same.
std::shared_ptr<CachePlace> actions_cache_target(const ActionsPlace& place);

/// The caches that the job may read, that of its own ref first, then those of the branches that it comes from.
std::vector<std::shared_ptr<CachePlace>> actions_cache_sources(const ActionsPlace& place);

}  // namespace imgbuild::builder
