// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images that a command looks into: by name in the store, or as a layout or an archive on the disk.

#include <memory>
#include <optional>
#include <string>

#include "builder/plan/image_resolver.h"
#include "builder/solve/solver.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

/// An image whose blobs are in the store, which is borrowed.
std::shared_ptr<const builder::ResolvedImage> image_of_store(layerstore::Store& store, const std::string& name,
                                                             layerstore::Image image);

/// Finds images for one command. Borrows the store.
class ImageSources {
  public:
    ImageSources(layerstore::Store& store, std::optional<std::string> platform);
    ~ImageSources();

    /// `text` is a name or a digest in the store; "oci-layout://PATH[:TAG|@DIGEST]"; or a path, which begins with "/",
    /// "./" or "../": of a layout, or of an archive, whose blobs are taken into the store without a name. Nothing is
    /// asked of a registry. Error{not_found} where it is none of them, and for an archive of several images.
    std::shared_ptr<const builder::ResolvedImage> find(const std::string& text);

    /// The image's tree, all layers merged; with `goal.files` also its contents.
    builder::SolvedImage read(const std::shared_ptr<const builder::ResolvedImage>& image,
                              const builder::SolveGoal& goal);

  private:
    std::shared_ptr<const builder::ResolvedImage> find_in_archive(const std::string& path);
    layerstore::Platform wanted_platform() const;

    layerstore::Store& store_;
    std::unique_ptr<layerstore::Store::Lease> lease_;
    std::optional<std::string> platform_;
    std::unique_ptr<builder::ImageResolver> finder_;
};

}  // namespace imgbuild::cli
