// SPDX-License-Identifier: Apache-2.0
#pragma once

// The resolver of a real build: names are looked for in the store, then among the images that came with the program
// (busybox), then at their registry. What a registry answered stands in the store afterwards, documents verified;
// layers come when somebody asks for them.

#include <memory>
#include <string>

#include "builder/plan/image_resolver.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder {

enum class PullPolicy {
    missing,  ///< ask a registry only for what is not here
    always,   ///< ask it for every tag; what is here serves where its digest is the same
    never,    ///< only what is here
};

/// Borrows the store. Thread-safe. With `offline` nothing is asked for over a network, whatever the policy.
/// Error{unavailable} "…: not in the store" with what to do where it may not be pulled.
std::unique_ptr<ImageResolver> make_image_finder(layerstore::Store& store, PullPolicy policy, bool offline);

/// The image that came with the program: a root file system with busybox. Its blobs are put into the store.
layerstore::Image default_base(layerstore::Store& store);

}  // namespace imgbuild::builder
