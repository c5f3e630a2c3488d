// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/attestations.h"

#include <ctime>

#include "base/text.h"
#include "builder/attest/purl.h"
#include "builder/attest/sbom.h"

namespace imgbuild::cli {
namespace {

using builder::NamedContext;
using builder::SourceIdentity;

std::string file_name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

SourceIdentity identity_of(const builder::BuildContext& context) {
    const auto* elsewhere = std::get_if<builder::ContextElsewhere>(&context);
    if (!elsewhere) return {};
    const std::string name = builder::name_of(elsewhere->place);
    const bool is_archive = std::holds_alternative<builder::ArchiveContext>(elsewhere->place);
    return {is_archive ? "archive:" + file_name_of(name) : builder::public_url(name),
            elsewhere->loaded ? elsewhere->loaded->revision : ""};
}

// Inside a context its path, else its name alone: where it lies on this machine is nobody's business.
std::string buildfile_of(const BuildOptions& options, const BuildInput& input) {
    const std::string& name = input.source.name();
    if (options.context == "-" && !options.file) return "";
    if (name.find("://") != std::string::npos) return builder::public_url(name);
    if (name.starts_with(options.context + "/")) return name.substr(options.context.size() + 1);
    const bool is_inside = std::holds_alternative<builder::ContextElsewhere>(input.contexts.at(""));
    return is_inside && !name.starts_with('/') ? name : file_name_of(name);
}

// The address of a proxy may hold a password.
bool may_be_told(const std::string& argument) { return !to_lower(argument).ends_with("_proxy"); }

std::string context_text(const std::string& name, const NamedContext& context) {
    switch (context.kind) {
        case NamedContext::Kind::image: return "docker-image://" + context.place;
        case NamedContext::Kind::layout: return "oci-layout://" + name;
        case NamedContext::Kind::stage: return "target:" + context.place;
        case NamedContext::Kind::files: return "local:" + name;
    }
    return {};
}

std::map<std::string, std::string> arguments_of(const BuildOptions& options, const BuildInput& input) {
    std::map<std::string, std::string> arguments;
    for (const auto& [name, value] : options.build_args)
        if (may_be_told(name)) arguments.emplace("build-arg:" + name, value);
    for (const auto& [name, value] : options.labels) arguments.emplace("label:" + name, value);
    for (const auto& [name, context] : options.contexts) {
        const auto found = input.contexts.find(name);
        const std::string uri = found == input.contexts.end() ? "" : identity_of(found->second).uri;
        arguments.emplace("context:" + name, uri.empty() ? context_text(name, context) : uri);
    }
    if (options.network == parser::RunNetwork::none) arguments.emplace("network", "none");
    if (options.network == parser::RunNetwork::host) arguments.emplace("network", "host");
    return arguments;
}

std::string name_of(const builder::ScanReport& report) { return "--sbom: " + printable(report.name); }

std::vector<builder::Subject> subjects_of(const layerstore::Tree& tree) {
    std::vector<builder::Subject> subjects;
    tree.walk([&](const ImagePath& path, const layerstore::Child& child) {
        if (child.entry.is_file())
            subjects.push_back(
                {std::string(path.relative()), child.entry.size == 0 ? Sha256::of("") : child.entry.content});
        return true;
    });
    return subjects;
}

}  // namespace

Attestations::Attestations(const BuildOptions& options, const BuildInput& input, const builder::BuildPlan& plan,
                           const builder::Solved& solved, std::int64_t started)
    : options_(options), input_(input), plan_(plan), solved_(solved), started_(started) {}

builder::BuildFacts Attestations::facts() const {
    builder::BuildFacts facts{.plan = plan_,
                              .source = input_.source,
                              .buildfile = buildfile_of(options_, input_),
                              .contexts = {},
                              .layouts = {},
                              .target = options_.target,
                              .arguments = arguments_of(options_, input_),
                              .revisions = solved_.revisions,
                              .builder_platform = layerstore::Platform::host(),
                              .times = {}};
    for (const auto& [name, context] : input_.contexts) facts.contexts.emplace(name, identity_of(context));
    for (const auto& [name, context] : options_.contexts)
        if (context.kind == NamedContext::Kind::layout) facts.layouts.emplace("oci-layout://" + context.place, name);
    if (options_.attest.provenance->times) facts.times = {rfc3339(started_), rfc3339(std::time(nullptr))};
    return facts;
}

std::vector<builder::Statement> Attestations::of_image(std::size_t number, const layerstore::Image& image,
                                                       const std::vector<std::string>& names) const {
    std::vector<builder::Statement> statements;
    if (const auto& provenance = options_.attest.provenance)
        statements.push_back(builder::make_provenance(facts(), number, builder::subjects_of(image, names),
                                                      image.manifest.layers, provenance->options));
    for (const builder::ScanReport& report : solved_.images[number].reports)
        statements.push_back(builder::make_sbom(report.bytes, builder::subjects_of(image, names), name_of(report)));
    return statements;
}

std::vector<Attestations::File> Attestations::of_files(std::size_t number) const {
    std::vector<File> files;
    const auto& provenance = options_.attest.provenance;
    if (provenance && !provenance->inline_only)
        files.push_back(
            {provenance->file_name, builder::make_provenance(facts(), number, subjects_of(solved_.images[number].tree),
                                                             {}, provenance->options)
                                        .bytes});
    for (const builder::ScanReport& report : solved_.images[number].reports)
        files.push_back(
            {report.name,
             builder::make_sbom(report.bytes, subjects_of(solved_.images[number].tree), name_of(report)).bytes});
    return files;
}

}  // namespace imgbuild::cli
