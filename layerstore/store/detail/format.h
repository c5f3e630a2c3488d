// SPDX-License-Identifier: Apache-2.0
#pragma once

// The file `format` of a store: which version of this layout it has, and who owns it.

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/directory.h"

namespace imgbuild::layerstore::detail {

/// Held shared by every open store, exclusively where one must be alone.
inline constexpr const char* use_lock_name = "use.lock";

/// index.json as it was before its last change, for repair.
inline constexpr const char* previous_index_name = "index.json.previous";

struct Format {
    uid_t owner = 0;
};

/// Empty where there is none. A version that we do not know is Error{unsupported}.
std::optional<Format> read_format(const Directory& root);
void write_format(const Directory& root, const Format& format);
/// Error{denied} naming both users unless we are `owner`.
void check_owner(uid_t owner, const std::string& path);

}  // namespace imgbuild::layerstore::detail
