// SPDX-License-Identifier: Apache-2.0
#pragma once

// A layer is written by who pushes bytes and laid down by who pulls them: a thread and a pipe between the two.

#include <functional>

#include "base/stream.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

/// Hands the canonical tar of `delta` to `consume`, which reads it to its end. Where the tar cannot be made whole, its
/// end is an Error for `consume`, too. Of two failures the first leaves: the other side only sees that it broke off.
void pipe_layer(const layerstore::TreeDelta& delta, layerstore::ContentSources& contents,
                const std::function<void(ByteReader&)>& consume);

}  // namespace imgbuild::builder
