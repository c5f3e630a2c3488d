// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/diff_operand.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/compression.h"
#include "base/error.h"
#include "base/text.h"
#include "builder/resolve/image_finder.h"
#include "cli/commands/rebuild.h"
#include "cli/common/common_options.h"
#include "cli/common/input.h"
#include "layerstore/layer/tar_reader.h"

namespace imgbuild::cli {
namespace {

constexpr std::string_view registry_prefix = "docker://";

bool is_regular_file(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool looks_like_a_path(const std::string& text) {
    return text.starts_with('/') || text.starts_with("./") || text.starts_with("../");
}

// A layer by itself, in the clothes of an image that has nothing else.
ImageSide side_of_layer(const std::string& name, layerstore::Descriptor blob, const DiffId& diff_id) {
    layerstore::Image image;
    image.config.diff_ids = {diff_id};
    image.config_bytes = "{}";
    image.manifest_bytes = "{}";
    image.descriptor.digest = blob.digest;
    image.manifest.layers = {std::move(blob)};
    return ImageSide{name, std::move(image), {{}}, {}, {}};
}

// The tar of a file that may be compressed.
class FileTar final : public ByteReader {
  public:
    explicit FileTar(const std::string& path)
        : input_(open_input(path)), tar_(make_detecting_decompressor(*input_.reader, input_.name)) {}
    std::size_t read(std::span<std::byte> buffer) override { return tar_->read(buffer); }

  private:
    Input input_;
    std::unique_ptr<ByteReader> tar_;
};

}  // namespace

DiffOperands::DiffOperands(layerstore::Store& store, std::optional<std::string> platform, bool offline)
    : store_(store),
      lease_(store.lease()),
      platform_(platform),
      sources_(store, std::move(platform)),
      finder_(builder::make_image_finder(store, builder::PullPolicy::missing, offline)),
      registry_(builder::make_image_finder(store, builder::PullPolicy::always, offline)) {}

std::shared_ptr<const builder::ResolvedImage> DiffOperands::resolve(const std::string& text) {
    const layerstore::Platform platform =
        platform_ ? layerstore::Platform::parse(*platform_) : layerstore::Platform::host();
    if (text.starts_with(registry_prefix)) return registry_->resolve(text.substr(registry_prefix.size()), platform);
    if (looks_like_a_path(text) || text.find("://") != std::string::npos || store_.find_image(text))
        return sources_.find(text);
    return finder_->resolve(text, platform);
}

// Archives of images hold these names; any other tar is a layer.
std::optional<ImageSide> DiffOperands::find_layer_file(const std::string& path) {
    FileTar tar(path);
    layerstore::TarReader reader(tar, path);
    while (const auto entry = reader.next()) {
        const auto name = ImagePath::parse_strict(entry->name);
        if (name && (name->relative() == "oci-layout" || name->relative() == "manifest.json")) return std::nullopt;
    }
    FileTar whole(path);
    HashingReader hashing(whole);
    drain(hashing);
    const std::uint64_t size = hashing.count();
    const DiffId diff_id{hashing.finish()};
    ImageSide side = side_of_layer(
        path, {.media_type = std::string(layerstore::media_type::oci_layer), .digest = diff_id.value, .size = size},
        diff_id);
    side.open = [path](std::size_t) { return std::make_unique<FileTar>(path); };
    return side;
}

std::optional<ImageSide> DiffOperands::find_stored_layer(const std::string& text) {
    const std::string_view digits = text.starts_with('@') ? std::string_view(text).substr(1) : std::string_view(text);
    if (!digits.starts_with("sha256:")) return std::nullopt;
    const std::optional<Digest> digest = Digest::parse(digits);
    const auto record = digest ? store_.records().find_layer(*digest) : std::nullopt;
    if (!record) return std::nullopt;
    ImageSide side = side_of_layer(text, record->blob, record->diff_id);
    const layerstore::Image image = side.image;
    return side_of(text, image, side.origins, store_);
}

ImageSide DiffOperands::find(const std::string& text) {
    if (!store_.find_image(text))
        if (auto layer = find_stored_layer(text)) return std::move(*layer);
    if (looks_like_a_path(text) && is_regular_file(text))
        if (auto layer = find_layer_file(text)) return std::move(*layer);
    const std::shared_ptr<const builder::ResolvedImage> found = resolve(text);
    ImageSide side = side_of(text, found->image, origins_of_history(found->image), store_);
    side.open = [found, open = side.open, lease = lease_.get()](std::size_t layer) {
        const layerstore::Descriptor& blob = found->image.manifest.layers.at(layer);
        lease->add(blob.digest);
        found->blobs->bring(blob);
        return open(layer);
    };
    return side;
}

}  // namespace imgbuild::cli
