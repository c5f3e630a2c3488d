// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/provenance_request.h"

#include <fmt/format.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "layerstore/image/layout.h"

namespace imgbuild::cli {
namespace {

using layerstore::Descriptor;

constexpr std::string_view what = "provenance";
constexpr std::string_view statement_type = "application/vnd.in-toto+json";
constexpr std::string_view build_type = "urn:imgbuild:buildfile:v1";

// The member at a path of members; null where one is not there.
const Json* find(const Json& document, std::initializer_list<const char*> path) {
    const Json* place = &document;
    for (const char* member : path) {
        if (!place->is_object()) return nullptr;
        const auto found = place->find(member);
        if (found == place->end()) return nullptr;
        place = &*found;
    }
    return place;
}

std::string text_at(const Json& document, std::initializer_list<const char*> path) {
    const Json* found = find(document, path);
    return found && found->is_string() ? found->get<std::string>() : "";
}

// "build-arg:NAME", "label:NAME", "context:NAME", "network": flags again.
void add_argument(const std::string& name, const std::string& value, std::vector<std::string>& flags) {
    for (const std::string_view kind : {"build-arg:", "label:"})
        if (name.starts_with(kind))
            flags.push_back(
                fmt::format("--{}={}={}", kind.substr(0, kind.size() - 1), name.substr(kind.size()), value));
    constexpr std::string_view context = "context:";
    if (name.starts_with(context) && !value.starts_with("local:") && !value.starts_with("oci-layout:"))
        flags.push_back(fmt::format("--build-context={}={}", name.substr(context.size()), value));
    if (name == "network") flags.push_back("--network=" + value);
}

void read_request(const Json& request, std::vector<std::string>& flags) {
    if (const std::string target = text_at(request, {"target"}); !target.empty()) flags.push_back("--target=" + target);
    if (const std::string platform = text_at(request, {"platform"}); !platform.empty())
        flags.push_back("--platform=" + platform);
    const Json* arguments = find(request, {"args"});
    if (!arguments || !arguments->is_object()) return;
    for (const auto& [name, value] : arguments->items())
        if (value.is_string()) add_argument(name, value.get<std::string>(), flags);
}

void read_bases(const Json* materials, std::vector<RecordedInputs::Base>& bases) {
    if (!materials || !materials->is_array()) return;
    for (const Json& material : *materials) {
        const std::string uri = text_at(material, {"uri"});
        const std::string digest = text_at(material, {"digest", "sha256"});
        if (uri.starts_with("pkg:docker/") && !digest.empty()) bases.push_back({uri, "", "sha256:" + digest});
    }
}

std::optional<BuildRecord> read_statement(const Json& statement) {
    const Json* predicate = find(statement, {"predicate"});
    if (!predicate) return std::nullopt;
    // Version 1 and 0.2 say the same in other places.
    const bool is_v1 = find(*predicate, {"buildDefinition"}) != nullptr;
    const Json& definition = is_v1 ? *find(*predicate, {"buildDefinition"}) : *predicate;
    const Json* request =
        is_v1 ? find(definition, {"externalParameters", "request"}) : find(definition, {"invocation", "parameters"});
    const Json* source = is_v1 ? find(definition, {"externalParameters", "configSource"})
                               : find(definition, {"invocation", "configSource"});
    const Json* infos = is_v1 ? find(*predicate, {"runDetails", "metadata", "imgbuild_metadata", "source", "infos"})
                              : find(*predicate, {"metadata", "imgbuild_metadata", "source", "infos"});
    if (text_at(definition, {"buildType"}) != build_type || !request || !source || !infos || !infos->is_array() ||
        infos->empty())
        return std::nullopt;
    const std::optional<std::string> text = decode_base64(text_at(infos->front(), {"data"}));
    if (!text || text->empty()) return std::nullopt;
    BuildRecord record;
    record.succeeded = true;
    record.context = text_at(*source, {"uri"});
    RecordedInputs inputs;
    inputs.buildfile = *text;
    inputs.buildfile_name = text_at(*source, {is_v1 ? "path" : "entryPoint"});
    if (inputs.buildfile_name.empty()) inputs.buildfile_name = "Buildfile";
    read_request(*request, inputs.flags);
    read_bases(find(definition, {is_v1 ? "resolvedDependencies" : "materials"}), inputs.bases);
    record.inputs = std::move(inputs);
    return record;
}

std::optional<BuildRecord> read_attestation(layerstore::Store& store, const Descriptor& attestation) {
    const auto manifest = layerstore::Manifest::parse(
        store.blobs().read(attestation.digest, layerstore::max_manifest_bytes, what), "", what);
    for (const Descriptor& layer : manifest.layers) {
        if (layer.media_type != statement_type) continue;
        if (auto record = read_statement(parse_json(store.blobs().read(layer.digest, json_max_bytes, what), what)))
            return record;
    }
    return std::nullopt;
}

}  // namespace

std::optional<BuildRecord> record_of_provenance(layerstore::Store& store, const Descriptor& index) {
    if (!layerstore::is_index(index.media_type)) return std::nullopt;
    try {
        const auto document =
            layerstore::Index::parse(store.blobs().read(index.digest, layerstore::max_manifest_bytes, what), what);
        for (const Descriptor& manifest : document.manifests)
            if (manifest.platform && manifest.platform->is_unknown())
                if (auto record = read_attestation(store, manifest)) return record;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted) throw;
    }
    return std::nullopt;
}

}  // namespace imgbuild::cli
