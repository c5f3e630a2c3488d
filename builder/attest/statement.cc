// SPDX-License-Identifier: Apache-2.0
#include "builder/attest/statement.h"

#include "base/json.h"
#include "base/text.h"
#include "builder/attest/purl.h"
#include "layerstore/image/empty_document.h"

namespace imgbuild::builder {
namespace {

using layerstore::BlobStore;
using layerstore::Descriptor;
namespace media_type = layerstore::media_type;

constexpr std::string_view statement_type = "https://in-toto.io/Statement/v1";
constexpr std::string_view layer_type = "application/vnd.in-toto+json";
constexpr std::string_view artifact_type = "application/vnd.docker.attestation.manifest.v1+json";
constexpr const char* predicate_annotation = "in-toto.io/predicate-type";
constexpr const char* kind_annotation = "vnd.docker.reference.type";
constexpr const char* digest_annotation = "vnd.docker.reference.digest";

Descriptor put(std::string_view type, std::string_view bytes, const BlobStore& blobs) {
    return {.media_type = std::string(type), .digest = blobs.put(bytes), .size = bytes.size()};
}

Descriptor put_image_config(const std::vector<Descriptor>& layers, const BlobStore& blobs) {
    layerstore::ImageConfig config;
    config.platform = layerstore::Platform::unknown();
    for (const Descriptor& layer : layers) config.diff_ids.push_back({layer.digest});
    return put(media_type::oci_config, config.encode(), blobs);
}

}  // namespace

Statement make_statement(std::string_view predicate_type, const std::vector<Subject>& subjects, Json predicate) {
    Json list = Json::array();
    for (const Subject& subject : subjects)
        list.push_back({{"name", printable(subject.name)}, {"digest", {{"sha256", subject.digest.hex()}}}});
    const Json document{{"_type", statement_type},
                        {"predicateType", predicate_type},
                        {"subject", std::move(list)},
                        {"predicate", std::move(predicate)}};
    return {std::string(predicate_type), write_json_indented(document) + "\n"};
}

std::vector<Subject> subjects_of(const layerstore::Image& image, const std::vector<std::string>& names) {
    std::vector<Subject> subjects;
    for (const std::string& name : names)
        subjects.push_back({image_purl(name, image.config.platform), image.descriptor.digest});
    if (names.empty()) subjects.push_back({"_", image.descriptor.digest});
    return subjects;
}

Descriptor put_attestations(const Descriptor& image, const std::vector<Statement>& statements, AttestationForm form,
                            const BlobStore& blobs) {
    layerstore::Manifest manifest{.media_type = std::string(media_type::oci_manifest)};
    for (const Statement& statement : statements) {
        manifest.layers.push_back(put(layer_type, statement.bytes, blobs));
        manifest.layers.back().annotations[predicate_annotation] = statement.predicate_type;
    }
    if (form == AttestationForm::artifact) {
        manifest.config = layerstore::put_empty_document(blobs);
        const Descriptor subject{.media_type = image.media_type, .digest = image.digest, .size = image.size};
        manifest.other_members = write_json({{"artifactType", artifact_type}, {"subject", subject.to_json()}});
    } else {
        manifest.config = put_image_config(manifest.layers, blobs);
    }
    Descriptor descriptor = put(manifest.media_type, manifest.encode(), blobs);
    descriptor.platform = layerstore::Platform::unknown();
    descriptor.annotations = {{kind_annotation, "attestation-manifest"}, {digest_annotation, image.digest.text()}};
    return descriptor;
}

}  // namespace imgbuild::builder
