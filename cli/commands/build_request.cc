// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/build_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/text.h"
#include "builder/attest/purl.h"
#include "cli/commands/context_input.h"

namespace imgbuild::cli {
namespace {

constexpr std::string_view argument_flag = "--build-arg=";
constexpr std::size_t max_kept_source = 256 * 1024;  // bytes of a Buildfile

class Request {
  public:
    void add(std::string_view flag, const std::optional<std::string>& value) {
        if (value) list_.push_back(fmt::format("{}={}", flag, *value));
    }
    void add(std::string_view flag, const std::vector<std::string>& values) {
        for (const std::string& value : values) add(flag, std::optional(value));
    }
    std::vector<std::string> take() { return std::move(list_); }

  private:
    std::vector<std::string> list_;
};

std::string whole_path(const std::string& path) {
    std::error_code error;
    const std::filesystem::path whole = std::filesystem::absolute(path, error);
    return error ? path : whole.lexically_normal().string();
}

// Where they lie does not depend on where somebody asks for them again.
std::string place_of(const builder::NamedContext& context) {
    using Kind = builder::NamedContext::Kind;
    switch (context.kind) {
        case Kind::image: return "docker-image://" + context.place;
        case Kind::layout: return "oci-layout://" + context.place;
        case Kind::stage: return "target:" + context.place;
        case Kind::files: break;
    }
    return context.place.find("://") == std::string::npos && context.place.find('@') == std::string::npos
               ? whole_path(context.place)
               : builder::public_url(context.place);
}

// How layers are made; where they went to is no part of them.
std::string layers_of(const BuildOptions& options) {
    const auto image = std::ranges::find_if(options.outputs, &OutputOption::is_image);
    if (image == options.outputs.end()) return "";
    return fmt::format("type=image,compression={},compression-level={},force-compression={},oci-mediatypes={}",
                       name_of(image->packing.compression), image->packing.level, image->force_compression,
                       image->oci_media_types);
}

}  // namespace

std::vector<std::string> request_of(const BuildFlags& flags) {
    Request request;
    request.add("--target", flags.target);
    request.add("--context-modes", flags.context_modes);
    request.add("--timestamps", flags.timestamps);
    request.add("--repro", flags.repro);
    request.add("--format-version", flags.format_version);
    request.add("--label", flags.labels);
    request.add("--annotation", flags.annotations);
    request.add("--network", flags.network);
    request.add("--allow", flags.allow);
    request.add("--secret", flags.secrets);
    request.add("--ssh", flags.ssh);
    request.add("--add-host", flags.add_hosts);
    request.add("--shm-size", flags.shm_size);
    request.add("--ulimit", flags.ulimits);
    return request.take();
}

RecordedInputs recorded_inputs(const BuildOptions& options, const BuildInput& input, const builder::BuildPlan& plan,
                               const builder::Solved& solved) {
    RecordedInputs inputs;
    inputs.flags = options.request;
    if (const std::string layers = layers_of(options); !layers.empty()) inputs.flags.push_back("--output=" + layers);
    for (const layerstore::Platform& platform : options.platforms)
        inputs.flags.push_back("--platform=" + platform.text());
    for (const auto& [name, context] : options.contexts)
        inputs.flags.push_back(fmt::format("--build-context={}={}", name, place_of(context)));
    for (const auto& [name, value] : options.build_args) {
        const bool is_time = name == epoch_name;
        inputs.flags.push_back(fmt::format("{}{}{}", argument_flag, name, is_time ? "=" + value : ""));
    }
    const std::string& file = input.source.name();
    const bool is_local = std::holds_alternative<builder::ContextDirectory>(input.contexts.at(""));
    inputs.buildfile_name = file;
    if (is_there(file) && is_local) inputs.buildfile_name = whole_path(file);
    if (input.source.text().size() <= max_kept_source) inputs.buildfile = std::string(input.source.text());
    for (std::size_t node = 0; node < plan.nodes.size(); ++node) {
        const builder::Operation& operation = plan.nodes[node].operation;
        if (const auto* from = std::get_if<builder::FromImage>(&operation)) {
            const layerstore::Image& image = from->image->image;
            inputs.bases.push_back(
                {from->image->name, image.config.platform.normalised().text(), image.descriptor.digest.text()});
        }
        if (const auto* files = std::get_if<builder::ContextFiles>(&operation))
            inputs.contexts.push_back({files->context, solved.contents.at(node).value.text()});
        if (std::holds_alternative<builder::FetchUrl>(operation) ||
            std::holds_alternative<builder::FetchGit>(operation))
            inputs.contexts.push_back({plan.nodes[node].label, solved.revisions.at(node)});
    }
    return inputs;
}

std::vector<std::string> missing_arguments(const std::vector<std::string>& request,
                                           const std::map<std::string, std::string>& arguments) {
    std::vector<std::string> missing;
    for (const std::string& flag : request) {
        if (!flag.starts_with(argument_flag)) continue;
        const std::string name = flag.substr(argument_flag.size());
        if (name.find('=') == std::string::npos && !arguments.contains(name)) missing.push_back(name);
    }
    return missing;
}

}  // namespace imgbuild::cli
