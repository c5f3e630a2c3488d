// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images into podman by its program, for whoever runs it: no service has to run.

#include <optional>
#include <string>
#include <vector>

#include "layerstore/image/image.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder::detail {

/// The path of the program; empty where there is none.
std::optional<std::string> find_podman();

/// Has podman read the image from our store, as from any other layout: it takes the layers that it has not.
/// Error{unavailable} with its words where it does not.
void load_by_podman(layerstore::Store& store, const layerstore::Image& image, const std::vector<std::string>& names);

}  // namespace imgbuild::builder::detail
