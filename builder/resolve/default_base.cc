// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/resolve/detail/embedded_base.h"
#include "builder/resolve/detail/embedded_image.h"
#include "builder/resolve/detail/source_memo.h"
#include "builder/resolve/image_finder.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/layer/packing.h"

namespace imgbuild::builder {
namespace {

using detail::EmbeddedBase;
using layerstore::Descriptor;
using layerstore::Image;
using layerstore::ImageConfig;
using layerstore::Platform;
using layerstore::Store;

constexpr std::string_view base_name = "docker.io/library/busybox:latest";

Platform platform_of(const EmbeddedBase& base) {
    return Platform{.architecture = std::string(base.machine)}.normalised();
}

ImageConfig config_of(const EmbeddedBase& base) {
    ImageConfig config;
    config.platform = platform_of(base);
    config.created = rfc3339(layerstore::default_file_time.seconds);
    config.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    config.command = {"sh"};
    config.history = {{.created = config.created, .created_by = "imgbuild: busybox of Debian"}};
    return config;
}

// Everything that decides the image's digest.
detail::SourceKey key_of(const EmbeddedBase& base, const ImageConfig& config) {
    detail::SourceKey key;
    key.add("source", "default base").add("tar", base.digest).add("config", config.encode());
    key.add("compressor", compressor_version(layerstore::PackOptions{}.compression));
    return key;
}

// Reads the archive once, its files kept in memory, and packs them as every layer of a build is packed.
layerstore::PackedLayer pack(const EmbeddedBase& base, const std::string& what, ByteWriter& out) {
    auto files = std::make_shared<layerstore::MemoryContents>();
    std::string file;
    auto keep = [&](std::string_view, std::span<const std::byte> bytes, const Digest* whole) {
        file.append(as_text(bytes));
        if (whole) files->add(std::exchange(file, {}));
    };
    MemoryReader tar(base.tar);
    const layerstore::TreeDelta delta = layerstore::read_layer(tar, layerstore::Tree(), what, keep);
    layerstore::ContentSources contents;
    contents.add(files);
    TaskPool pool(available_processors());
    return layerstore::pack_layer(delta, contents, {}, pool, out);
}

Descriptor put_document(Store& store, std::string_view type, const std::string& bytes) {
    return {.media_type = std::string(type), .digest = store.blobs().put(bytes), .size = bytes.size()};
}

Descriptor make_image(Store& store, const EmbeddedBase& base, ImageConfig config, const std::string& what) {
    const auto writer = store.blobs().begin();
    const layerstore::PackedLayer layer = pack(base, what, *writer);
    const Digest blob = writer->commit();
    config.diff_ids = {layer.diff_id};
    layerstore::Manifest manifest{.media_type = std::string(layerstore::media_type::oci_manifest)};
    manifest.config = put_document(store, layerstore::media_type::oci_config, config.encode());
    manifest.layers = {{.media_type = std::string(layerstore::oci_layer_type(layerstore::PackOptions{}.compression)),
                        .digest = blob,
                        .size = writer->size()}};
    return put_document(store, manifest.media_type, manifest.encode());
}

bool is_whole(Store& store, const Image& image) {
    return std::all_of(image.manifest.layers.begin(), image.manifest.layers.end(),
                       [&](const Descriptor& layer) { return store.blobs().size(layer.digest) == layer.size; });
}

}  // namespace

bool detail::is_embedded(const layerstore::Reference& reference, const Platform& platform) {
    if (reference.full() != base_name) return false;
    const std::vector<Platform> fit = platform.acceptable();
    return std::find(fit.begin(), fit.end(), platform_of(detail::embedded_base())) != fit.end();
}

Image default_base(Store& store) {
    const std::string what = "default base";
    const EmbeddedBase base = detail::embedded_base();
    const ImageConfig config = config_of(base);
    const detail::SourceKey key = key_of(base, config);
    if (auto image = detail::recall_image(store, key, config.platform, what); image && is_whole(store, *image))
        return *std::move(image);
    const Descriptor manifest = make_image(store, base, config, what);
    detail::remember_image(store, key, manifest);
    return store.read_image(manifest, config.platform, what);
}

}  // namespace imgbuild::builder
