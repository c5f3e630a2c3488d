// SPDX-License-Identifier: Apache-2.0
#include "builder/attest/provenance.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/attest/detail/image_steps.h"

namespace imgbuild::builder {
namespace {

using detail::ImageSteps;
using Mode = ProvenanceOptions::Mode;
using Version = ProvenanceOptions::Version;

constexpr const char* build_type = "urn:imgbuild:buildfile:v1";
constexpr const char* own_metadata = "imgbuild_metadata";

/// One statement as it is put together. The two versions say the same things in other places.
class ProvenanceWriter {
  public:
    ProvenanceWriter(const BuildFacts& facts, std::size_t image, const ProvenanceOptions& options)
        : facts_(facts), image_(facts.plan.images[image]), steps_(facts, image), options_(options) {}

    Json v1(const std::vector<layerstore::Descriptor>& layers) const {
        Json internal{{"builderPlatform", facts_.builder_platform.text()}};
        if (is_max()) internal["buildConfig"] = build_config();
        Json metadata = Json::object();
        if (facts_.times) metadata = {{"startedOn", facts_.times->started}, {"finishedOn", facts_.times->finished}};
        metadata["imgbuild_hermetic"] = steps_.is_hermetic();
        metadata["imgbuild_completeness"] = {{"request", is_max()}, {"resolvedDependencies", knows_all_materials()}};
        if (options_.reproducible) metadata["imgbuild_reproducible"] = true;
        if (is_max()) metadata[own_metadata] = own(layers);
        return {{"buildDefinition",
                 {{"buildType", build_type},
                  {"externalParameters", {{"configSource", config_source("path")}, {"request", request()}}},
                  {"internalParameters", std::move(internal)},
                  {"resolvedDependencies", materials()}}},
                {"runDetails", {{"builder", builder()}, {"metadata", std::move(metadata)}}}};
    }

    Json v0_2(const std::vector<layerstore::Descriptor>& layers) const {
        Json predicate{{"buildType", build_type},
                       {"builder", builder()},
                       {"invocation",
                        {{"configSource", config_source("entryPoint")},
                         {"parameters", request()},
                         {"environment", {{"platform", facts_.builder_platform.text()}}}}}};
        if (is_max()) predicate["buildConfig"] = build_config();
        Json metadata = Json::object();
        if (facts_.times)
            metadata = {{"buildStartedOn", facts_.times->started}, {"buildFinishedOn", facts_.times->finished}};
        metadata["completeness"] = {
            {"parameters", is_max()}, {"environment", true}, {"materials", knows_all_materials()}};
        metadata["reproducible"] = options_.reproducible;
        if (is_max()) metadata[own_metadata] = own(layers);
        predicate["metadata"] = std::move(metadata);
        predicate["materials"] = materials();
        return predicate;
    }

  private:
    bool is_max() const noexcept { return options_.mode == Mode::max; }
    bool knows_all_materials() const { return steps_.is_hermetic() && steps_.local_contexts().empty(); }
    Json builder() const { return {{"id", options_.builder_id}}; }

    Json config_source(const char* path_member) const {
        Json source = Json::object();
        if (const auto main = facts_.contexts.find(""); main != facts_.contexts.end()) {
            if (!main->second.uri.empty()) source["uri"] = printable(main->second.uri);
            if (!main->second.revision.empty()) source["digest"] = detail::digest_set(main->second.revision);
        }
        if (!facts_.buildfile.empty()) source[path_member] = printable(facts_.buildfile);
        return source;
    }

    Json request() const {
        Json request{{"frontend", "buildfile"}, {"platform", image_.platform.text()}};
        if (!facts_.target.empty()) request["target"] = printable(facts_.target);
        Json locals = Json::array();
        for (const std::string& name : steps_.local_contexts())
            locals.push_back({{"name", name.empty() ? "context" : printable(name)}});
        if (!locals.empty()) request["locals"] = std::move(locals);
        if (!is_max()) return request;
        Json arguments = Json::object();
        for (const auto& [name, value] : facts_.arguments) arguments[printable(name)] = printable(value);
        if (!arguments.empty()) request["args"] = std::move(arguments);
        for (const auto& [member, type] :
             {std::pair("secrets", parser::MountType::secret), std::pair("ssh", parser::MountType::ssh)})
            if (Json ids = steps_.ids(type); !ids.empty()) request[member] = std::move(ids);
        return request;
    }

    Json build_config() const { return {{"steps", steps_.steps()}}; }

    Json materials() const {
        Json list = Json::array();
        for (const detail::Material& material : steps_.materials()) {
            list.push_back({{"uri", printable(material.uri)}});
            if (Json digest = detail::digest_set(material.revision); !digest.empty())
                list.back()["digest"] = std::move(digest);
        }
        return list;
    }

    Json own(const std::vector<layerstore::Descriptor>& layers) const {
        Json own = Json::object();
        own["source"] = {{"infos", Json::array({{{"filename", printable(facts_.buildfile)},
                                                 {"language", "Dockerfile"},
                                                 {"data", encode_base64(facts_.source.text())}}})},
                         {"locations", steps_.locations()},
                         {"lines", steps_.lines()}};
        if (!layers.empty()) own["layers"] = steps_.layers(layers);
        return own;
    }

    const BuildFacts& facts_;
    const PlannedImage& image_;
    ImageSteps steps_;
    const ProvenanceOptions& options_;
};

}  // namespace

Statement make_provenance(const BuildFacts& facts, std::size_t image, const std::vector<Subject>& subjects,
                          const std::vector<layerstore::Descriptor>& layers, const ProvenanceOptions& options) {
    const ProvenanceWriter writer(facts, image, options);
    if (options.version == Version::v1)
        return make_statement("https://slsa.dev/provenance/v1", subjects, writer.v1(layers));
    return make_statement("https://slsa.dev/provenance/v0.2", subjects, writer.v0_2(layers));
}

}  // namespace imgbuild::builder
