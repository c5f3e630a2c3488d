// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/fetch/documents.h"
#include "builder/push/artifact.h"
#include "builder/push/push_image.h"
#include "cli/commands/commands.h"
#include "cli/commands/pushing.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/option_values.h"
#include "cli/common/terminal.h"
#include "layerstore/image/image.h"

namespace imgbuild::cli {
namespace {

using layerstore::Descriptor;
using layerstore::Reference;

constexpr std::string_view usual_artifact_type = "application/vnd.unknown.artifact.v1";
constexpr std::string_view usual_file_type = "application/octet-stream";

// "FILE" or "FILE:TYPE"; a path may hold colons itself, a type always has a slash.
builder::ArtifactFile read_file_argument(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon != std::string::npos && builder::is_media_type(std::string_view(text).substr(colon + 1)))
        return {text.substr(0, colon), text.substr(colon + 1)};
    return {text, std::string(usual_file_type)};
}

Descriptor subject_at(const Reference& reference, const std::optional<std::string>& platform) {
    const std::string origin = "image " + reference.familiar();
    return builder::ask_registry(origin, [&]() -> Descriptor {
        const builder::FetchedDocument document = builder::fetch_manifest(reference);
        Descriptor subject{
            .media_type = builder::document_type(document), .digest = document.digest, .size = document.bytes.size()};
        if (!platform) return subject;
        const auto wanted = layerstore::Platform::parse(*platform);
        if (!layerstore::is_index(subject.media_type)) throw Error(ErrorKind::usage, "--platform: is no index");
        const auto index = layerstore::Index::parse(document.bytes, origin);
        const Descriptor* found = index.find(wanted);
        if (!found) throw Error(ErrorKind::not_found, fmt::format("no image for {}", wanted.text()));
        return *found;
    });
}

}  // namespace

int run_attach(Arguments arguments) {
    OptionSet options(
        "attach [flags] NAME FILE…",
        "Puts files (FILE or FILE:MEDIATYPE) beside an image in its registry, as an artifact about it, and prints its "
        "digest");
    CommonOptions common;
    std::optional<std::string> name, type, platform;
    std::vector<std::string> files, annotations;
    bool quiet = false;
    options.positional("NAME", name);
    options.positionals("FILE", files);
    options.value("--artifact-type", type, "TYPE", "what the artifact is, as in application/vnd.example.sbom");
    options.list("--annotation", annotations, "NAME=VALUE", "what its manifest says of it besides");
    options.value("--platform", platform, "PLATFORM", "it refers to this image of an index");
    options.flag("-q,--quiet", quiet, "print the digest alone");
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    builder::ArtifactRequest request{
        .type = type.value_or(std::string(usual_artifact_type)), .files = {}, .subject = {}, .annotations = {}};
    if (!builder::is_media_type(request.type))
        refuse_value("--artifact-type", request.type, "no media type", "write one as in application/vnd.example.sbom");
    for (const std::string& file : files) request.files.push_back(read_file_argument(file));
    for (const std::string& text : annotations) request.annotations.insert(parse_pair(text, "--annotation"));
    const Reference reference = Reference::parse(*name);

    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const auto lease = store->lease();
    request.subject = subject_at(reference, platform);
    const Descriptor root = builder::put_artifact(request, store->blobs());
    push({.store = *store, .root = root, .names = {reference.name()}, .by_digest = true, .quiet = quiet});
    print(root.digest.text() + "\n");
    return exit_status::ok;
}

}  // namespace imgbuild::cli
