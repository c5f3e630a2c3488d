// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "layerstore/image/archive.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"
#include "layerstore/layer/tar_writer.h"

namespace imgbuild::layerstore {
namespace {

// Times and owners are zero: who makes an archive, and when, is not part of it.
Entry entry_of(EntryKind kind, std::uint64_t size) {
    Entry entry;
    entry.kind = kind;
    entry.mode = kind == EntryKind::directory ? 0755 : 0444;
    entry.size = size;
    return entry;
}

void write_directory(const char* name, ByteWriter& out) {
    out.write(as_bytes(tar_header(ImagePath::clean(name), entry_of(EntryKind::directory, 0))));
}

void write_padding(std::uint64_t size, ByteWriter& out) { out.write(as_bytes(std::string(tar_padding(size), '\0'))); }

void write_file(const char* name, std::string_view content, ByteWriter& out) {
    out.write(as_bytes(tar_header(ImagePath::clean(name), entry_of(EntryKind::file, content.size()))));
    out.write(as_bytes(content));
    write_padding(content.size(), out);
}

std::string blob_name(const Digest& digest) { return "blobs/sha256/" + digest.hex(); }

std::string docker_manifest(const Image& image, const std::vector<std::string>& names) {
    Json tags = Json::array();
    for (const std::string& name : names) tags.push_back(Reference::parse(name).familiar());
    Json layers = Json::array();
    for (const Descriptor& layer : image.manifest.layers) layers.push_back(blob_name(layer.digest));
    Json entry = Json::object();
    entry["Config"] = blob_name(image.manifest.config.digest);
    entry["RepoTags"] = std::move(tags);
    entry["Layers"] = std::move(layers);
    Json document = Json::array();
    document.push_back(std::move(entry));
    return write_json(document);
}

Index index_of(const Descriptor& root, const std::vector<std::string>& names) {
    Index index{.media_type = std::string(media_type::oci_index)};
    for (const std::string& name : names) set_name(index, root, name);
    if (names.empty()) set_name(index, root, "");
    return index;
}

// `manifest_json` is left out where it is empty.
void write_layout_archive(const Descriptor& root, const std::vector<std::string>& names, const BlobStore& blobs,
                          const std::string& manifest_json, ByteWriter& out) {
    constexpr const char* what = "write the archive";
    std::map<Digest, std::uint64_t> sizes;
    for_each_blob(blobs, root, what, [&](const Descriptor& blob) { sizes.emplace(blob.digest, blob.size); });
    write_directory("blobs", out);
    write_directory("blobs/sha256", out);
    for (const auto& [digest, size] : sizes) {
        const ImagePath path = ImagePath::clean(blob_name(digest));
        const auto reader = blobs.open(digest, size, what);
        out.write(as_bytes(tar_header(path, entry_of(EntryKind::file, size))));
        copy_all(*reader, out);
        write_padding(size, out);
    }
    write_file("index.json", index_of(root, names).encode(), out);
    if (!manifest_json.empty()) write_file("manifest.json", manifest_json, out);
    write_file("oci-layout", layout_marker, out);
    out.write(as_bytes(tar_end()));
}

}  // namespace

void write_archive(const Image& image, const std::vector<std::string>& names, const BlobStore& blobs,
                   ArchiveFormat format, ByteWriter& out) {
    const bool is_docker = format == ArchiveFormat::docker;
    write_layout_archive(image.descriptor, names, blobs, is_docker ? docker_manifest(image, names) : "", out);
}

void write_archive(const Descriptor& root, const std::vector<std::string>& names, const BlobStore& blobs,
                   ByteWriter& out, const Image* loadable) {
    write_layout_archive(root, names, blobs, loadable ? docker_manifest(*loadable, names) : "", out);
}

}  // namespace imgbuild::layerstore
