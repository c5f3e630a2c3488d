// SPDX-License-Identifier: Apache-2.0
#pragma once

// What `imgbuild diff` is given: images wherever they are, and single layers, none of which is read before it has to be.

#include <memory>
#include <optional>
#include <string>

#include "builder/plan/image_resolver.h"
#include "cli/commands/image_comparison.h"
#include "cli/commands/image_tree.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

class DiffOperands {
  public:
    /// Borrows the store. With `offline` no registry is asked.
    DiffOperands(layerstore::Store& store, std::optional<std::string> platform, bool offline);

    /// Lives as long as this and the store. Manifest and config are read, layers when the side's open() is called: one
    /// of a registry is fetched then. Error{not_found} where `text` is nothing of what there is.
    ImageSide find(const std::string& text);

  private:
    std::shared_ptr<const builder::ResolvedImage> resolve(const std::string& text);
    std::optional<ImageSide> find_layer_file(const std::string& path);
    std::optional<ImageSide> find_stored_layer(const std::string& text);

    layerstore::Store& store_;
    std::unique_ptr<layerstore::Store::Lease> lease_;
    std::optional<std::string> platform_;
    ImageSources sources_;
    std::unique_ptr<builder::ImageResolver> finder_;    ///< the store, then registries
    std::unique_ptr<builder::ImageResolver> registry_;  ///< registries
};

}  // namespace imgbuild::cli
