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

Index index_of(const Image& image, const std::vector<std::string>& names) {
    Index index{.media_type = std::string(media_type::oci_index)};
    for (const std::string& name : names) set_name(index, image.descriptor, name);
    if (names.empty()) set_name(index, image.descriptor, "");
    return index;
}

}  // namespace

void write_archive(const Image& image, const std::vector<std::string>& names, const BlobStore& blobs,
                   ArchiveFormat format, ByteWriter& out) {
    std::map<Digest, std::uint64_t> sizes{{image.descriptor.digest, image.descriptor.size},
                                          {image.manifest.config.digest, image.manifest.config.size}};
    for (const Descriptor& layer : image.manifest.layers) sizes.emplace(layer.digest, layer.size);

    write_directory("blobs", out);
    write_directory("blobs/sha256", out);
    for (const auto& [digest, size] : sizes) {
        const ImagePath path = ImagePath::clean(blob_name(digest));
        const auto reader = blobs.open(digest, size, "write the archive");
        out.write(as_bytes(tar_header(path, entry_of(EntryKind::file, size))));
        copy_all(*reader, out);
        write_padding(size, out);
    }
    write_file("index.json", index_of(image, names).encode(), out);
    if (format == ArchiveFormat::docker) write_file("manifest.json", docker_manifest(image, names), out);
    write_file("oci-layout", layout_marker, out);
    out.write(as_bytes(tar_end()));
}

}  // namespace imgbuild::layerstore
