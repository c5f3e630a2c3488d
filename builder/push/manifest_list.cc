// SPDX-License-Identifier: Apache-2.0
#include "builder/push/manifest_list.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {
namespace {

using layerstore::BlobStore;
using layerstore::Descriptor;
using layerstore::Index;
using layerstore::Platform;
using layerstore::Reference;
namespace media_type = layerstore::media_type;

constexpr const char* lists_folder = "lists";
constexpr const char* about_annotation = "vnd.docker.reference.digest";

std::string draft_name(const std::string& full_name) { return Sha256::of(full_name).hex() + ".json"; }

bool is_attestation(const Descriptor& manifest) {
    return manifest.platform && manifest.platform->is_unknown() && manifest.annotations.contains(about_annotation);
}

bool is_about(const Descriptor& manifest, const Digest& image) {
    return is_attestation(manifest) && manifest.annotations.at(about_annotation) == image.text();
}

bool is_image_for(const Descriptor& manifest, const std::optional<Platform>& platform) {
    return !is_attestation(manifest) && manifest.platform && platform &&
           manifest.platform->normalised() == platform->normalised();
}

// What an index says besides belongs to its own place.
Descriptor listed_image(const Descriptor& manifest) {
    Descriptor image = manifest;
    for (const std::string_view name : {layerstore::annotation_ref_name, layerstore::annotation_image_name})
        image.annotations.erase(std::string(name));
    return image;
}

void collect(const BlobStore& blobs, const Descriptor& document, const std::string& what, int level,
             std::vector<Descriptor>& list) {
    if (layerstore::is_index(document.media_type)) {
        if (level == layerstore::max_index_levels)
            throw Error(ErrorKind::invalid_input,
                        fmt::format("{}: indexes are nested deeper than {}", what, layerstore::max_index_levels));
        const Index index = Index::parse(blobs.read(document.digest, layerstore::max_manifest_bytes, what), what);
        for (const Descriptor& inner : index.manifests) collect(blobs, inner, what, level + 1, list);
        return;
    }
    if (is_attestation(document)) return list.push_back(listed_image(document));
    const auto manifest = layerstore::Manifest::parse(blobs.read(document.digest, layerstore::max_manifest_bytes, what),
                                                      document.media_type, what);
    if (!layerstore::is_image_config(manifest.config.media_type))
        throw Error(ErrorKind::invalid_input,
                    fmt::format("{}: \"{}\" is no image", what, printable(manifest.config.media_type)),
                    "a list holds images and what is attested of them");
    Descriptor image = listed_image(document);
    if (!image.platform)
        image.platform =
            layerstore::ImageConfig::parse(blobs.read(manifest.config.digest, layerstore::max_config_bytes, what), what)
                .platform;
    list.push_back(std::move(image));
}

bool is_whole(const BlobStore& blobs, const Descriptor& root) {
    bool has_all = true;
    try {
        layerstore::for_each_blob(blobs, root, "list", [&](const Descriptor& blob) {
            has_all = has_all && blobs.size(blob.digest) == blob.size;
        });
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return false;
    }
    return has_all;
}

}  // namespace

std::optional<Digest> ManifestList::add(Descriptor manifest) {
    std::optional<Digest> replaced;
    for (const Descriptor& other : index.manifests)
        if (is_image_for(other, manifest.platform) && other.digest != manifest.digest) replaced = other.digest;
    auto place = std::ranges::find_if(index.manifests, [&](const Descriptor& other) {
        return other.digest == manifest.digest || (replaced && other.digest == *replaced);
    });
    if (place != index.manifests.end()) {
        *place = std::move(manifest);
    } else {
        if (!is_attestation(manifest)) place = std::ranges::find_if(index.manifests, is_attestation);
        index.manifests.insert(place, std::move(manifest));
    }
    if (replaced) remove(*replaced);
    return replaced;
}

bool ManifestList::remove(const Digest& manifest) {
    const std::size_t gone = std::erase_if(index.manifests, [&](const Descriptor& other) {
        return other.digest == manifest || is_about(other, manifest);
    });
    std::erase_if(origins, [&](const auto& origin) { return find(origin.first) == nullptr; });
    return gone > 0;
}

Descriptor* ManifestList::find(const Digest& manifest) {
    const auto found = std::ranges::find(index.manifests, manifest, &Descriptor::digest);
    return found == index.manifests.end() ? nullptr : &*found;
}

std::string ManifestList::encode() const {
    const bool is_dockers =
        !index.manifests.empty() && index.annotations.empty() && index.other_members.empty() &&
        std::ranges::all_of(index.manifests, [](const Descriptor& manifest) {
            return manifest.media_type == media_type::docker_manifest && manifest.annotations.empty();
        });
    Index typed = index;
    typed.media_type = is_dockers ? media_type::docker_index : media_type::oci_index;
    return typed.encode();
}

std::vector<Descriptor> images_for_list(const BlobStore& blobs, const Descriptor& root,
                                        const std::optional<Platform>& platform, const std::string& what) {
    std::vector<Descriptor> all;
    collect(blobs, root, what, 0, all);
    if (!platform) return all;
    const auto image = std::ranges::find_if(all, [&](const Descriptor& one) { return is_image_for(one, platform); });
    if (image == all.end())
        throw Error(ErrorKind::not_found, fmt::format("{}: no image for {}", what, platform->text()));
    std::vector<Descriptor> chosen{*image};
    for (const Descriptor& one : all)
        if (is_about(one, image->digest)) chosen.push_back(one);
    return chosen;
}

std::optional<ManifestList> ManifestLists::read_draft(const std::string& full_name) const {
    const ImagePath path = ImagePath().child(lists_folder).child(draft_name(full_name));
    if (!store_.root().status(path)) return std::nullopt;
    const std::string what = "list " + Reference::parse(full_name).familiar();
    const Json document = parse_json(store_.root().read_file(path, json_max_bytes), what);
    ManifestList list{.name = full_name, .index = {}, .origins = {}};
    const Json* index = optional_object(document, "index", what);
    if (!index)
        throw Error(ErrorKind::corrupt, what + ": index: missing", "`imgbuild manifest rm` takes the list away");
    list.index = Index::parse(write_json(*index), what);
    if (const Json* origins = optional_object(document, "origins", what))
        for (const auto& [digest, repository] : origins->items())
            list.origins.emplace(Digest::parse_or_throw(digest), required_string(*origins, digest, what));
    return list;
}

bool ManifestLists::is_draft(const std::string& name) const try {
    return store_.root()
        .status(ImagePath().child(lists_folder).child(draft_name(Reference::parse(name).full())))
        .has_value();
} catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    return false;  // what is no name, but a digest
}

std::optional<ManifestList> ManifestLists::find(const std::string& name) const {
    const std::string full_name = Reference::parse(name).full();
    if (auto draft = read_draft(full_name)) return draft;
    const auto image = store_.find_image(full_name);
    if (!image) return std::nullopt;
    if (!layerstore::is_index(image->descriptor.media_type))
        throw Error(ErrorKind::usage, fmt::format("{}: is an image and no list", printable(name)),
                    "`imgbuild manifest create` makes a list, under another name");
    const std::string bytes = store_.blobs().read(image->descriptor.digest, layerstore::max_manifest_bytes, name);
    return ManifestList{.name = full_name, .index = Index::parse(bytes, name), .origins = {}};
}

ManifestList ManifestLists::get(const std::string& name) const {
    if (auto list = find(name)) return *std::move(list);
    throw Error(ErrorKind::not_found, fmt::format("{}: no such list in the store", printable(name)),
                "`imgbuild manifest create` makes one");
}

Descriptor ManifestLists::save(const ManifestList& list) {
    const std::string bytes = list.encode();
    if (bytes.size() > layerstore::max_manifest_bytes)
        throw Error(ErrorKind::usage,
                    fmt::format("{}: a list of {}, at most {}", printable(list.name), human_size(bytes.size()),
                                human_size(layerstore::max_manifest_bytes)));
    const Descriptor root{.media_type = Index::parse(bytes, "list").media_type,
                          .digest = store_.blobs().put(bytes),
                          .size = bytes.size()};
    const bool is_new_index = !list.index.manifests.empty() && is_whole(store_.blobs(), root);
    if (is_new_index) {
        store_.tag({list.name}, root);
        const Directory folder = store_.subdirectory(lists_folder);
        folder.remove_tree(draft_name(list.name));
        return root;
    }
    Json origins = Json::object();
    for (const auto& [digest, repository] : list.origins) origins[digest.text()] = repository;
    const Json document{{"name", list.name}, {"index", parse_json(bytes, "list")}, {"origins", std::move(origins)}};
    write_file_atomically(store_.subdirectory(lists_folder), draft_name(list.name),
                          write_json_indented(document) + "\n", Durability::full);
    store_.untag(list.name);
    return root;
}

bool ManifestLists::remove(const std::string& name) {
    const std::string full_name = Reference::parse(name).full();
    const bool was_draft = is_draft(name);
    if (was_draft) store_.subdirectory(lists_folder).remove_tree(draft_name(full_name));
    const auto image = store_.find_image(full_name);
    if (!image || !layerstore::is_index(image->descriptor.media_type)) return was_draft;
    return store_.untag(full_name) || was_draft;
}

}  // namespace imgbuild::builder
