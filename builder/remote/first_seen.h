// SPDX-License-Identifier: Apache-2.0
#pragma once

// Times for the files of a context that brings none which could be trusted (a repository, an archive): since when this
// store knows that content at that path of that context. A RUN with a cache mount compares them with what it made
// before (docs/decisions/0008).

#include <string>

#include "builder/remote/access.h"
#include "layerstore/tree/tree.h"

namespace imgbuild::builder {

/// `fresh` with the time of each entry taken from `last` where that has the same at its path, and `now` where not, but
/// later than what stood there. Hard-linked files always have `now`.
layerstore::Tree with_first_seen_times(const layerstore::Tree& fresh, const layerstore::Tree& last,
                                       layerstore::FileTime now);

/// The same against what the store knows of the context called `place`, which it remembers in turn.
layerstore::Tree remember_context(const layerstore::Tree& fresh, const std::string& place, RemoteAccess& access);

}  // namespace imgbuild::builder
