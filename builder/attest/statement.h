// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is said of a result besides its bytes: in-toto statements, and the manifest by which an image index holds them
// (docs/attestations.md).

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "layerstore/blob/blob_store.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {

/// What a statement is about: an image by its name, or a file by its path.
struct Subject {
    std::string name;
    Digest digest;
};

struct Statement {
    std::string predicate_type;
    std::string bytes;  ///< an in-toto statement, JSON
};

/// An in-toto statement, version 1.
Statement make_statement(std::string_view predicate_type, const std::vector<Subject>& subjects,
                         nlohmann::ordered_json predicate);

/// The subjects of an image: its names with the platform, or "_" where it has none.
std::vector<Subject> subjects_of(const layerstore::Image& image, const std::vector<std::string>& names);

/// How the manifest of statements looks.
enum class AttestationForm {
    artifact,  ///< OCI 1.1: artifactType, subject, and the empty config
    image,     ///< as older tools want it: an image for unknown/unknown
};

/// Puts the statements about `image` into `blobs`, with the manifest that holds them: its descriptor as an index lists
/// it behind the images.
layerstore::Descriptor put_attestations(const layerstore::Descriptor& image, const std::vector<Statement>& statements,
                                        AttestationForm form, const layerstore::BlobStore& blobs);

}  // namespace imgbuild::builder
