// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which names the image that came with the program answers to.

#include "layerstore/image/descriptor.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder::detail {

/// True for "busybox" in all its spellings, where its programs run on `platform`.
bool is_embedded(const layerstore::Reference& reference, const layerstore::Platform& platform);

}  // namespace imgbuild::builder::detail
