// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/store_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

struct DiskUsage {
    std::uint64_t bytes = 0;                   ///< as the disk counts them
    std::uint64_t hidden = 0;                  ///< directories that cannot be looked into
    std::set<std::pair<dev_t, ino_t>> linked;  ///< files with more than one name, which count once
};

void add_file(const struct stat& status, DiskUsage& usage) {
    const bool is_shared = !S_ISDIR(status.st_mode) && status.st_nlink > 1;
    if (is_shared && !usage.linked.emplace(status.st_dev, status.st_ino).second) return;
    usage.bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
}

// Files come and go while others build: what is gone does not count.
void add_tree(const Directory& directory, DiskUsage& usage) {
    for (const std::string& name : directory.list()) {
        struct stat status {};
        if (::fstatat(directory.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
        add_file(status, usage);
        if (!S_ISDIR(status.st_mode)) continue;
        Fd fd(::openat(directory.fd(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (fd)
            add_tree(Directory(std::move(fd), directory.name() + "/" + name), usage);
        else
            ++usage.hidden;
    }
}

struct StoreFolder {
    const char* name;
    const char* what;
};
constexpr std::array folders{StoreFolder{"deltas", "files of layers, ready to run on"},
                             StoreFolder{"mounts", "cache mounts of RUN"},
                             StoreFolder{"contexts", "what is known of contexts"},
                             StoreFolder{"logs", "logs of failed steps"},
                             StoreFolder{"builds", "what is remembered of builds"},
                             StoreFolder{"pending", "work in progress"},
                             StoreFolder{"corrupt", "what fsck took out"}};

// Which blobs images hold.
struct Held {
    std::map<std::string, std::map<Digest, std::uint64_t>> blobs;  ///< by the image's name
    std::map<Digest, LayerUsage> layers;
    std::map<Digest, int> counts;  ///< images that hold a blob
};

void add_image(layerstore::Store& store, const layerstore::NamedImage& named, Held& held) {
    const std::string name =
        named.name.empty() ? named.descriptor.digest.text() : layerstore::Reference::parse(named.name).familiar();
    std::map<Digest, std::uint64_t>& blobs = held.blobs[name];
    auto add = [&](const layerstore::Descriptor& blob) {
        const auto bytes = store.blobs().size(blob.digest);
        if (bytes && blobs.emplace(blob.digest, *bytes).second) ++held.counts[blob.digest];
        return bytes.value_or(0);
    };
    add(named.descriptor);
    try {
        for (const layerstore::Image& image : store.read_images(named.descriptor, layerstore::Platform::host(), name)) {
            add(image.descriptor);
            add(image.manifest.config);
            for (const layerstore::Descriptor& layer : image.manifest.layers) {
                LayerUsage& usage = held.layers[layer.digest];
                usage.bytes = add(layer);
                usage.images.insert(name);
            }
        }
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted) throw;  // of a broken image what is left counts
    }
}

std::vector<ImageUsage> usage_of_images(const Held& held) {
    std::vector<ImageUsage> list;
    for (const auto& [name, blobs] : held.blobs) {
        ImageUsage usage{.name = name};
        for (const auto& [blob, bytes] : blobs) {
            usage.bytes += bytes;
            if (held.counts.at(blob) == 1) usage.unique += bytes;
        }
        list.push_back(std::move(usage));
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const ImageUsage& a, const ImageUsage& b) { return a.bytes > b.bytes; });
    return list;
}

std::uint64_t bytes_below(const Directory& root, const char* folder) {
    const auto path = ImagePath::clean(folder);
    DiskUsage usage;
    if (root.status(path)) add_tree(root.open_directory(path, FollowLinks::never), usage);
    return usage.bytes;
}

}  // namespace

StoreUsage measure_store(layerstore::Store& store) {
    StoreUsage result;
    Held held;
    for (const layerstore::NamedImage& image : store.images()) add_image(store, image, held);
    result.images = usage_of_images(held);
    result.layers.assign(held.layers.begin(), held.layers.end());
    std::stable_sort(result.layers.begin(), result.layers.end(),
                     [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });

    DiskUsage whole;
    add_tree(store.root(), whole);
    result.total = whole.bytes;
    result.hidden = whole.hidden;
    DiskUsage of_images;
    for (const auto& [blob, count] : held.counts)
        if (const auto status = store.blobs().directory().status(ImagePath().child(blob.hex())))
            add_file(*status, of_images);
    const std::uint64_t blobs = bytes_below(store.root(), "blobs");
    result.parts.push_back({"images", of_images.bytes, "layers, configs and manifests of images"});
    result.parts.push_back({"cache", blobs - std::min(blobs, of_images.bytes), "layers and files for builds only"});
    for (const StoreFolder& folder : folders)
        if (store.root().status(ImagePath::clean(folder.name)))
            result.parts.push_back({folder.name, bytes_below(store.root(), folder.name), folder.what});
    std::uint64_t named = 0;
    for (const StorePart& part : result.parts) named += part.bytes;
    result.parts.push_back(
        {"records", result.total - std::min(result.total, named), "what steps gave, and small files"});
    if (store.is_writable()) {
        result.unused = store.prune({.dry_run = true}, {}).bytes;
        result.unused_with_cache = store.prune({.all = true, .dry_run = true}, {}).bytes;
    }
    return result;
}

}  // namespace imgbuild::cli
