// SPDX-License-Identifier: Apache-2.0
#pragma once

// The cache service of GitHub Actions, through imgbuild-fetch; errors as in fetch.h. Entries are written once, under a
// key, and found by the key or by how it begins; a job sees those of its own branch and of those that it comes from.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/stream.h"

namespace imgbuild::builder {

struct ActionsService {
    bool is_twirp = true;  ///< version 2 of the service; else the older one over REST
    std::string url;
    std::string token;                  ///< of the job; in no message, argument or file
    std::chrono::seconds timeout{600};  ///< for one entry
};

struct ActionsKey {
    std::string text;
    bool is_prefix = false;  ///< the newest entry that begins so
};

/// The whole key of an entry; empty where there is none.
std::optional<std::string> find_actions_entry(const ActionsService& service, const ActionsKey& key);

/// As find_actions_entry(), and streams what the entry holds: at most `limit` bytes, or `size` of them where that is
/// known.
std::optional<std::string> load_actions_entry(const ActionsService& service, const ActionsKey& key, std::uint64_t limit,
                                              std::optional<std::uint64_t> size, ByteWriter& out);

/// Makes an entry of the first `size` bytes of `file`. False where somebody made one of that key, or is about to.
bool save_actions_entry(const ActionsService& service, const std::string& key, const Fd& file, std::uint64_t size);

}  // namespace imgbuild::builder
