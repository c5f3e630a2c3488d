// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "layerstore/image/archive.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"
#include "layerstore/layer/tar_writer.h"

namespace imgbuild::layerstore {
namespace {

constexpr const char* writing = "write the archive";

// Times and owners are zero: who makes an archive, and when, is not part of it.
Entry entry_of(EntryKind kind, std::uint64_t size) {
    Entry entry;
    entry.kind = kind;
    entry.mode = kind == EntryKind::directory ? 0755 : 0444;
    entry.size = size;
    return entry;
}

std::string header_of(const std::string& name, EntryKind kind, std::uint64_t size) {
    return tar_header(ImagePath::clean(name), entry_of(kind, size));
}

constexpr std::array<const char*, 2> directories = {"blobs", "blobs/sha256"};

void write_padding(std::uint64_t size, ByteWriter& out) { out.write(as_bytes(std::string(tar_padding(size), '\0'))); }

std::uint64_t file_bytes(const std::string& name, std::uint64_t size) {
    return header_of(name, EntryKind::file, size).size() + size + tar_padding(size);
}

std::string blob_name(const Digest& digest) { return "blobs/sha256/" + digest.hex(); }

Json docker_entry(const Image& image, const std::vector<std::string>& names) {
    Json tags = Json::array();
    for (const std::string& name : names) tags.push_back(Reference::parse(name).familiar());
    Json layers = Json::array();
    for (const Descriptor& layer : image.manifest.layers) layers.push_back(blob_name(layer.digest));
    Json entry = Json::object();
    entry["Config"] = blob_name(image.manifest.config.digest);
    entry["RepoTags"] = std::move(tags);
    entry["Layers"] = std::move(layers);
    return entry;
}

Index index_of(const std::vector<ArchivedImage>& images) {
    Index index{.media_type = std::string(media_type::oci_index)};
    for (const ArchivedImage& image : images) {
        for (const std::string& name : image.names) set_name(index, image.root, name);
        // Alone it is the latest; of several without a name none may take another's place.
        if (!image.names.empty()) continue;
        if (images.size() == 1)
            set_name(index, image.root, "");
        else
            index.manifests.push_back(image.root);
    }
    return index;
}

}  // namespace

ImageArchive::ImageArchive(std::vector<ArchivedImage> images, const BlobStore& blobs)
    : images_(std::move(images)), blobs_(blobs) {
    for (const ArchivedImage& image : images_)
        for_each_blob(blobs_, image.root, writing,
                      [&](const Descriptor& blob) { files_.emplace(blob.digest, blob.size); });
}

std::vector<std::pair<std::string, std::string>> ImageArchive::documents() const {
    std::vector<std::pair<std::string, std::string>> list{{"index.json", index_of(images_).encode()}};
    Json entries = Json::array();
    for (const ArchivedImage& image : images_)
        if (image.loadable) entries.push_back(docker_entry(*image.loadable, image.names));
    if (!entries.empty()) list.emplace_back("manifest.json", write_json(entries));
    list.emplace_back("oci-layout", layout_marker);
    return list;
}

std::uint64_t ImageArchive::size() const {
    std::uint64_t total = tar_end().size();
    for (const char* name : directories) total += header_of(name, EntryKind::directory, 0).size();
    for (const auto& [digest, size] : files_) total += file_bytes(blob_name(digest), size);
    for (const auto& [name, text] : documents()) total += file_bytes(name, text.size());
    return total;
}

void ImageArchive::write(ByteWriter& out) const {
    for (const char* name : directories) out.write(as_bytes(header_of(name, EntryKind::directory, 0)));
    for (const auto& [digest, size] : files_) {
        const auto reader = blobs_.open(digest, size, writing);
        out.write(as_bytes(header_of(blob_name(digest), EntryKind::file, size)));
        copy_all(*reader, out);
        write_padding(size, out);
    }
    for (const auto& [name, text] : documents()) {
        out.write(as_bytes(header_of(name, EntryKind::file, text.size()) + text));
        write_padding(text.size(), out);
    }
    out.write(as_bytes(tar_end()));
}

void write_archive(const Image& image, const std::vector<std::string>& names, const BlobStore& blobs,
                   ArchiveFormat format, ByteWriter& out) {
    write_archive(image.descriptor, names, blobs, out, format == ArchiveFormat::docker ? &image : nullptr);
}

void write_archive(const Descriptor& root, const std::vector<std::string>& names, const BlobStore& blobs,
                   ByteWriter& out, const Image* loadable) {
    ImageArchive({{root, names, loadable ? std::optional(*loadable) : std::nullopt}}, blobs).write(out);
}

}  // namespace imgbuild::layerstore
