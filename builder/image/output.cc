// SPDX-License-Identifier: Apache-2.0
#include "builder/image/output.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/file_lock.h"
#include "base/text.h"
#include "builder/image/detail/file_destination.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {
namespace {

using layerstore::BlobStore;
using layerstore::Descriptor;
using layerstore::Image;

constexpr const char* annotation_created = "org.opencontainers.image.created";

// Before anything is written: a name that is none would be found only in the end.
void check_names(const std::vector<std::string>& names) {
    for (const std::string& name : names) static_cast<void>(layerstore::Reference::parse(name));
}

// True for what a layout holds before it is one: another process may be filling it, or one was killed.
bool is_of_layout(const std::string& name) {
    return name == "blobs" || name == "index.json" || name == layerstore::index_lock_name || name.starts_with(".new-");
}

// The directory at `path`, which is a layout, or may become one since it holds nothing else.
Directory open_layout(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode))
        throw Error(ErrorKind::usage, fmt::format("write the layout {}: not a directory", printable(path)));
    Directory layout = Directory::create_host(path);
    const std::vector<std::string> names = layout.list();
    const bool is_layout = std::ranges::find(names, "oci-layout") != names.end();
    if (!is_layout && !std::ranges::all_of(names, is_of_layout))
        throw Error(ErrorKind::usage,
                    fmt::format("write the layout {}: the directory holds something else", printable(path)),
                    "name an OCI image layout, or a directory that is empty or missing");
    return layout;
}

}  // namespace

Descriptor listed_descriptor(const Image& image) {
    Descriptor descriptor = image.descriptor;
    if (!image.config.created.empty()) descriptor.annotations.try_emplace(annotation_created, image.config.created);
    return descriptor;
}

void write_layout(const Image& image, const std::vector<std::string>& names, const BlobStore& blobs,
                  const std::string& path) {
    write_layout(listed_descriptor(image), names, blobs, path);
}

void write_layout(const Descriptor& root, const std::vector<std::string>& names, const BlobStore& blobs,
                  const std::string& path) {
    detail::require_destination(path);
    check_names(names);
    const Directory layout = open_layout(path);
    const std::string what = "write the layout " + printable(path);
    const BlobStore target(layout.duplicate(), layout.duplicate());
    layerstore::for_each_blob(blobs, root, what,
                              [&](const Descriptor& blob) { layerstore::copy_blob(blobs, target, blob, what); });
    const FileLock lock = FileLock::acquire(layout, layerstore::index_lock_name, LockMode::exclusive);
    layerstore::initialise_layout(layout);
    layerstore::Index index = layerstore::read_layout_index(layout);
    for (const std::string& name : names) layerstore::set_name(index, root, name);
    if (names.empty()) layerstore::set_name(index, root, "");
    // Synced for the sake of the images that stood there before: this one can be written again.
    layerstore::write_layout_index(layout, index, Durability::full);
}

void write_image_archive(const Image& image, const std::vector<std::string>& names, const BlobStore& blobs,
                         layerstore::ArchiveFormat format, const std::string& path) {
    check_names(names);
    Image named = image;
    named.descriptor = listed_descriptor(image);
    detail::write_to_file(path, [&](ByteWriter& out) { layerstore::write_archive(named, names, blobs, format, out); });
}

void write_image_archive(const Descriptor& root, const std::vector<std::string>& names, const BlobStore& blobs,
                         const std::string& path, const Image* loadable) {
    check_names(names);
    detail::write_to_file(path, [&](ByteWriter& out) { layerstore::write_archive(root, names, blobs, out, loadable); });
}

void write_image_archive(const std::vector<layerstore::ArchivedImage>& images, const BlobStore& blobs,
                         const std::string& path) {
    for (const layerstore::ArchivedImage& image : images) check_names(image.names);
    const layerstore::ImageArchive archive(images, blobs);
    detail::write_to_file(path, [&](ByteWriter& out) { archive.write(out); });
}

}  // namespace imgbuild::builder
