// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of a scanned context, found by digest and verified while they are read.

#include <memory>

#include "base/directory.h"
#include "builder/context/detail/found.h"
#include "layerstore/tree/content_source.h"

namespace imgbuild::builder {

/// Holds a descriptor of `root` and the paths of `found`'s files; they are sorted when the first is asked for.
/// A file whose bytes are not those of its digest any more is Error{invalid_input} at its end.
std::shared_ptr<layerstore::ContentSource> context_contents(const Directory& root, const FoundPaths& found);

}  // namespace imgbuild::builder
