// SPDX-License-Identifier: Apache-2.0
// The commands that make, change and look at lists; pushing one stands in manifest_push.cc.

#include "builder/push/manifest_list.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/fetch/documents.h"
#include "cli/commands/manifest_commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/option_values.h"
#include "cli/common/terminal.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

using builder::ManifestList;
using builder::ManifestLists;
using layerstore::Descriptor;
using layerstore::Reference;

constexpr std::string_view of_registry = "docker://";
constexpr std::string_view of_storage = "containers-storage:";

// What is said of an image in a list, in place of what its config says.
struct ImageFlags {
    std::optional<std::string> os, architecture, variant, os_version;
    std::vector<std::string> os_features, annotations;

    void declare(OptionSet& options) {
        options.value("--os", os, "OS", "its operating system");
        options.value("--arch", architecture, "ARCHITECTURE", "its architecture, as in arm64");
        options.value("--variant", variant, "VARIANT", "of the architecture, as in v7");
        options.value("--os-version", os_version, "VERSION", "of the operating system");
        options.list("--os-features", os_features, "FEATURE,…", "that the operating system must have");
        options.list("--annotation", annotations, "NAME=VALUE", "what the list says of it besides");
    }

    void apply(Descriptor& image) const {
        layerstore::Platform platform = image.platform.value_or(layerstore::Platform());
        if (os) platform.os = *os;
        if (architecture) platform.architecture = *architecture;
        if (variant) platform.variant = *variant;
        if (os_version) platform.os_version = *os_version;
        for (const std::string& text : os_features)
            for (const std::string_view feature : split(text, ',')) platform.os_features.emplace_back(trim(feature));
        image.platform = platform;
        for (const std::string& text : annotations) {
            auto [name, value] = parse_pair(text, "--annotation");
            image.annotations.insert_or_assign(std::move(name), std::move(value));
        }
    }

    bool is_any() const {
        return os || architecture || variant || os_version || !os_features.empty() || !annotations.empty();
    }
};

// What an image of the command line is, and where.
struct FoundImage {
    std::vector<Descriptor> images;
    std::string origin;                     ///< "registry/repository"; empty for what stands in the store
    std::map<Digest, std::string> origins;  ///< of the images of a list
};

FoundImage find_for_list(layerstore::Store& store, const std::string& text,
                         const std::optional<layerstore::Platform>& platform) {
    const bool is_remote = text.starts_with(of_registry);
    std::string name = text;
    for (const std::string_view prefix : {of_registry, of_storage})
        if (name.starts_with(prefix)) name.erase(0, prefix.size());
    ManifestLists lists(store);
    FoundImage found;
    if (!is_remote) {
        const auto named = store.find_image(name);
        if (named) {
            found.images = builder::images_for_list(store.blobs(), named->descriptor, platform, name);
            return found;
        }
        if (lists.is_draft(name)) {
            ManifestList list = lists.get(name);
            found.images = std::move(list.index.manifests);
            found.origins = std::move(list.origins);
            return found;
        }
    }
    const Reference reference = Reference::parse(name);
    const Descriptor root = builder::fetch_documents(reference, store.blobs());
    found.images = builder::images_for_list(store.blobs(), root, platform, name);
    found.origin = reference.name();
    return found;
}

void add_to_list(ManifestList& list, layerstore::Store& store, const std::string& text,
                 const std::optional<layerstore::Platform>& platform, const ImageFlags& flags) {
    FoundImage found = find_for_list(store, text, platform);
    const auto is_image = [](const Descriptor& one) { return !one.platform || !one.platform->is_unknown(); };
    if (flags.is_any() && std::ranges::count_if(found.images, is_image) > 1)
        throw Error(ErrorKind::usage, fmt::format("{}: has several images", printable(text)),
                    "say which with --platform, or change them afterwards with `imgbuild manifest annotate`");
    for (Descriptor& image : found.images) {
        if (flags.is_any() && is_image(image)) flags.apply(image);
        const Digest digest = image.digest;
        const std::string shown = image.platform ? image.platform->text() : "";
        if (const auto replaced = list.add(std::move(image)))
            tell(fmt::format("{} takes the place of {} for {}\n", digest.text(), replaced->text(), printable(shown)));
        if (const auto origin = found.origins.find(digest); origin != found.origins.end())
            list.origins.insert_or_assign(digest, origin->second);
        if (!found.origin.empty()) list.origins.insert_or_assign(digest, found.origin);
    }
}

std::optional<layerstore::Platform> wanted_platform(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    return with_context("--platform", [&] { return layerstore::Platform::parse(*text); });
}

// By its digest, or as an image of the store or a registry is called.
Descriptor& find_in_list(ManifestList& list, layerstore::Store& store, const std::string& text) {
    const auto digest = Digest::parse(text);
    Descriptor* found = digest ? list.find(*digest) : nullptr;
    if (!digest)
        for (const Descriptor& image : find_for_list(store, text, std::nullopt).images)
            if (!found) found = list.find(image.digest);
    if (!found)
        throw Error(
            ErrorKind::not_found,
            fmt::format("{}: not in the list {}", printable(text), printable(Reference::parse(list.name).familiar())),
            "`imgbuild manifest inspect` shows what is");
    return *found;
}

void annotate_index(ManifestList& list, const std::vector<std::string>& annotations) {
    for (const std::string& text : annotations) {
        auto [name, value] = parse_pair(text, "--annotation");
        list.index.annotations.insert_or_assign(std::move(name), std::move(value));
    }
}

}  // namespace

int run_manifest_create(Arguments arguments) {
    OptionSet options("manifest create [flags] LIST [IMAGE…]",
                      "Begins a list of images of the store or of registries, and prints its digest");
    CommonOptions common;
    std::optional<std::string> name;
    std::vector<std::string> images, annotations;
    bool amend = false, all = false;
    options.positional("LIST", name);
    options.positionals("IMAGE", images, false);
    options.flag("-a,--amend", amend, "add to the list where there is one");
    options.flag("--all", all, "accepted: an index gives all of its images");
    options.list("--annotation", annotations, "NAME=VALUE", "what is said of the list");
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::string full_name = Reference::parse(*name).full();
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const auto lease = store->lease();
    ManifestLists lists(*store);
    const bool is_taken = lists.is_draft(full_name) || store->find_image(full_name);
    if (is_taken && !amend)
        throw Error(ErrorKind::usage, fmt::format("{}: is there already", printable(*name)),
                    "--amend adds to a list; `imgbuild manifest rm` takes it away");
    ManifestList list = is_taken ? lists.get(full_name) : ManifestList{full_name, {}, {}};
    annotate_index(list, annotations);
    for (const std::string& image : images) add_to_list(list, *store, image, std::nullopt, {});
    print(lists.save(list).digest.text() + "\n");
    return exit_status::ok;
}

int run_manifest_add(Arguments arguments) {
    OptionSet options("manifest add [flags] LIST IMAGE…",
                      "Adds images of the store or of registries to a list, and prints its digest");
    CommonOptions common;
    std::optional<std::string> name, platform;
    std::vector<std::string> images;
    ImageFlags flags;
    bool all = false;
    options.positional("LIST", name);
    options.positionals("IMAGE", images);
    options.flag("--all", all, "accepted: an index gives all of its images, and what is attested of them");
    options.value("--platform", platform, "PLATFORM", "of an index only this image");
    flags.declare(options);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const auto lease = store->lease();
    ManifestLists lists(*store);
    ManifestList list = lists.get(*name);
    for (const std::string& image : images) add_to_list(list, *store, image, wanted_platform(platform), flags);
    print(lists.save(list).digest.text() + "\n");
    return exit_status::ok;
}

int run_manifest_annotate(Arguments arguments) {
    OptionSet options("manifest annotate [flags] LIST [IMAGE]",
                      "Says something of an image in a list (by name or digest), or with --index of the list itself");
    CommonOptions common;
    std::optional<std::string> name, image;
    ImageFlags flags;
    bool index = false;
    options.positional("LIST", name);
    options.positional("IMAGE", image, false);
    options.flag("--index", index, "the annotations are those of the list");
    flags.declare(options);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    if (!index && !image)
        throw Error(ErrorKind::usage, "manifest annotate: IMAGE is missing",
                    "name an image of the list, or say --index for the list itself");
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    ManifestLists lists(*store);
    ManifestList list = lists.get(*name);
    if (index)
        annotate_index(list, flags.annotations);
    else
        flags.apply(find_in_list(list, *store, *image));
    print(lists.save(list).digest.text() + "\n");
    return exit_status::ok;
}

int run_manifest_remove(Arguments arguments) {
    OptionSet options("manifest remove LIST IMAGE…",
                      "Takes images, by name or digest, and what is attested of them out of a list");
    CommonOptions common;
    std::optional<std::string> name;
    std::vector<std::string> images;
    options.positional("LIST", name);
    options.positionals("IMAGE", images);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    ManifestLists lists(*store);
    ManifestList list = lists.get(*name);
    for (const std::string& image : images) list.remove(Digest(find_in_list(list, *store, image).digest));
    print(lists.save(list).digest.text() + "\n");
    return exit_status::ok;
}

int run_manifest_exists(Arguments arguments) {
    OptionSet options("manifest exists LIST", "Ends with status 0 where there is such a list, else with 1");
    CommonOptions common;
    std::optional<std::string> name;
    options.positional("LIST", name);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    constexpr int not_there = 1;
    const auto image = store->find_image(Reference::parse(*name).full());
    const bool is_index = image && layerstore::is_index(image->descriptor.media_type);
    return is_index || ManifestLists(*store).is_draft(*name) ? exit_status::ok : not_there;
}

int run_manifest_rm(Arguments arguments) {
    OptionSet options("manifest rm LIST…", "Takes lists out of the store; their images stay");
    CommonOptions common;
    std::vector<std::string> names;
    options.positionals("LIST", names);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    ManifestLists lists(*store);
    // All or nothing: a name that is not there is found before anything goes.
    for (const std::string& name : names) lists.get(name);
    for (const std::string& name : names) lists.remove(name);
    return exit_status::ok;
}

int run_manifest_inspect(Arguments arguments) {
    OptionSet options("manifest inspect [flags] NAME",
                      "Prints a list, or the manifest or index of an image of the store, else of its registry");
    CommonOptions common;
    std::optional<std::string> name;
    options.positional("NAME", name);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const bool is_remote = name->starts_with(of_registry);
    const std::string bare = is_remote ? name->substr(of_registry.size()) : *name;
    ManifestLists lists(*store);
    if (!is_remote && lists.is_draft(bare)) {
        print(lists.get(bare).encode());
    } else if (const auto image = is_remote ? std::nullopt : store->find_image(bare)) {
        print(store->blobs().read(image->descriptor.digest, layerstore::max_manifest_bytes, bare));
    } else {
        const Reference reference = Reference::parse(bare);
        print(builder::ask_registry("image " + reference.familiar(),
                                    [&] { return builder::fetch_manifest(reference).bytes; }));
    }
    return exit_status::ok;
}

}  // namespace imgbuild::cli
