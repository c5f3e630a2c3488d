// SPDX-License-Identifier: Apache-2.0
#pragma once

// What refers to an image at its registry: signatures, statements and other artifacts, by the member `subject` of their
// manifests (image-spec manifest.md; distribution-spec 1.1, "Listing Referrers").

#include <optional>
#include <string>
#include <vector>

#include "layerstore/image/descriptor.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {

/// The subject that a manifest or index names; empty where it names none. Error{invalid_input} names `what`.
std::optional<layerstore::Descriptor> subject_of(std::string_view document, const std::string& what);

/// What refers to `subject` in the repository of `reference`, in the registry's order; with `artifact_type` only that
/// type. Descriptors carry the type as artifact_type_of() reads it.
std::vector<layerstore::Descriptor> list_referrers(const layerstore::Reference& reference, const Digest& subject,
                                                   const std::string& artifact_type = {});

/// The artifactType of a descriptor; empty where it has none.
std::string artifact_type_of(const layerstore::Descriptor& descriptor);

/// Notes at a registry that keeps no lists itself that `document`, whose bytes are `bytes`, refers to `subject`: in the
/// index under the tag "sha256-HEX", which is read, added to and written, and read again, since others may write it at
/// the same time. Error{unavailable} where it does not hold after a few tries.
void note_referrer(const layerstore::Reference& reference, const layerstore::Descriptor& document,
                   std::string_view bytes, const Digest& subject);

}  // namespace imgbuild::builder
