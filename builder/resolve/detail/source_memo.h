// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the store remembers of a source: which manifest or index it was, so that the next build asks nobody.

#include <optional>
#include <string>
#include <string_view>

#include "base/wire.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder::detail {

/// What makes a source the same: labelled parts.
class SourceKey {
  public:
    SourceKey& add(std::string_view label, std::string_view value);
    Digest digest() const { return Sha256::of(parts_.bytes()); }
    const std::string& preimage() const noexcept { return parts_.bytes(); }

  private:
    WireWriter parts_;
};

/// The image that was remembered under `key`, its documents read from the store and verified. Empty when nothing was,
/// and when a document of it is gone or damaged: it can be had again. `what` names the image in errors.
std::optional<layerstore::Image> recall_image(layerstore::Store& store, const SourceKey& key,
                                              const layerstore::Platform& platform, const std::string& what);

/// Remembers `document`, a manifest or an index whose bytes stand in the store.
void remember_image(layerstore::Store& store, const SourceKey& key, const layerstore::Descriptor& document);

}  // namespace imgbuild::builder::detail
