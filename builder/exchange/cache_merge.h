// SPDX-License-Identifier: Apache-2.0
#pragma once

// What an export makes of the cache that stands in its place: a pure function, so that exporters that come between each
// other lose nothing and what nobody uses does not pile up.

#include <cstdint>
#include <map>
#include <set>

#include "builder/exchange/cache_records.h"

namespace imgbuild::builder {

/// A cache as records.
struct CacheContent {
    StepRecords steps;
    std::map<Digest, CacheManifest::Base> bases;
};

/// When each record was named last, as it stood when a build began.
struct CacheUses {
    std::map<StepName, std::int64_t> steps;
    std::map<Digest, std::int64_t> bases;
    static CacheUses of(const CacheContent& content);
};

/// What was named so lately stays, used or not: builds of several branches follow each other.
inline constexpr std::int64_t spared_microseconds = 600'000'000;

/// What one build says.
struct CacheChanges {
    StepRecords steps;                               ///< results of its own
    std::map<Digest, layerstore::Descriptor> bases;  ///< records of bases that it has itself
    std::set<StepName> used_steps;                   ///< that it took from a cache
    std::set<Digest> used_bases;
    std::int64_t now = 0;      ///< microseconds since 1970
    bool is_complete = false;  ///< all steps of the build are among these: what else stood there at its start is unused
};

/// `there` with `changes`. What others named since `at_start` stays, and of a step that somebody else did meanwhile
/// their result, because what they did next stands on it.
CacheContent merge_cache(CacheContent there, const CacheUses& at_start, const CacheChanges& changes);

/// True if `there` came of merging `changes`, perhaps with what others added since.
bool has_all(const CacheContent& there, const CacheChanges& changes);

/// True if `changes` say more than `there` does, other than dates of use.
bool adds_to(const CacheContent& there, const CacheChanges& changes);

/// Takes layers off the records that were not used for longest, until `most` are left; gives all that are, in order.
std::vector<layerstore::Descriptor> limit_layers(StepRecords& steps, std::size_t most);

}  // namespace imgbuild::builder
