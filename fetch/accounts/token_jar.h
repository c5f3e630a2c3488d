// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tokens that the helpers of one program share, so that a registry is not asked for a new one with each blob. They lie
// in a file in memory that the program makes, hands to each helper, and never reads; it ends with the program.

#include <string>

namespace imgbuild::fetch {

/// From now on the jar is descriptor `fd`, if that is a file in memory; without it nothing is remembered.
void use_token_jar(int fd);

/// The value of an Authorization header that was remembered last under `key`; empty where there is none.
std::string recall_token(const std::string& key);

/// Keeps `value`, a bearer token, under `key`. Neither holds a tab or a line feed. What goes wrong here costs a request
/// later and is no error.
void remember_token(const std::string& key, const std::string& value);

}  // namespace imgbuild::fetch
