// SPDX-License-Identifier: Apache-2.0
#include "builder/engine/load_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "builder/engine/detail/podman.h"
#include "layerstore/image/archive.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {
namespace {

using layerstore::Image;
using layerstore::Reference;

// So many images are looked at for layers that the engine has; each look is one request.
constexpr std::size_t most_looks = 20;

// By the digest of its config, or where images are kept in containerd by that of its manifest.
std::optional<EngineImage> find_same(const Engine& engine, const Image& image) {
    for (const Digest& id : {image.manifest.config.digest, image.descriptor.digest})
        if (auto found = inspect_image(engine, id.text())) return found;
    return std::nullopt;
}

std::size_t layers_there(const Engine& engine, const Image& image, const std::vector<std::string>& names) {
    std::size_t most = 0;
    const auto look_at = [&](const std::string& name) {
        const auto found = inspect_image(engine, name);
        if (found) most = std::max(most, shared_layers(image.config.diff_ids, found->layers));
    };
    // What was built before under the same name shares the most, as a rule.
    for (const std::string& name : names) look_at(Reference::parse(name).familiar());
    if (most > 0) return most;
    std::vector<std::string> ids = list_images(engine);
    ids.resize(std::min(ids.size(), most_looks));
    for (const std::string& id : ids) look_at(id);
    return most;
}

// A layer that the engine has is left out, unless it stands higher once more.
void leave_out(layerstore::ImageArchive& archive, const Image& image, std::size_t count) {
    const auto& layers = image.manifest.layers;
    for (std::size_t i = 0; i < count; ++i) {
        const bool is_needed = std::any_of(layers.begin() + static_cast<std::ptrdiff_t>(count), layers.end(),
                                           [&](const auto& other) { return other.digest == layers[i].digest; });
        if (!is_needed) archive.leave_out(layers[i].digest);
    }
}

// What older engines cannot read they tell by "unexpected EOF".
[[noreturn]] void refuse_load(Error error, const Image& image) {
    const bool has_zstd = std::ranges::any_of(image.manifest.layers, [](const layerstore::Descriptor& layer) {
        return layerstore::layer_compression(layer.media_type) == Compression::zstd;
    });
    if (error.kind() == ErrorKind::unavailable && has_zstd)
        error.set_hint(error.hint() + "; its layers are zstd, which docker reads since version 23: compression=gzip");
    throw std::move(error);
}

EngineReport send_archive(const Engine& engine, layerstore::Store& store, const Image& image,
                          const std::vector<std::string>& names) {
    EngineReport report{.engine = engine.name(), .layers = image.manifest.layers.size()};
    const layerstore::ImageArchive whole({{image.descriptor, names, image}}, store.blobs());
    report.present = engine.is_podman || keeps_in_containerd(engine) ? 0 : layers_there(engine, image, names);
    if (report.present > 0) {
        layerstore::ImageArchive partial = whole;
        leave_out(partial, image, report.present);
        try {
            load_archive(engine, partial);
            report.sent_bytes = partial.size();
            return report;
        } catch (const Error& error) {
            // Somebody may have removed the image that had those layers.
            if (error.kind() != ErrorKind::unavailable) throw;
            report.present = 0;
        }
    }
    try {
        load_archive(engine, whole);
    } catch (const Error& error) {
        refuse_load(error, image);
    }
    report.sent_bytes = whole.size();
    return report;
}

EngineReport load_by_api(const Engine& engine, layerstore::Store& store, const Image& image,
                         const std::vector<std::string>& names) {
    const auto same = find_same(engine, image);
    if (!same) return send_archive(engine, store, image, names);
    for (const std::string& name : names) tag_image(engine, same->id, name);
    const std::size_t layers = image.manifest.layers.size();
    return {.engine = engine.name(), .was_there = true, .layers = layers, .present = layers};
}

}  // namespace

std::size_t shared_layers(const std::vector<DiffId>& layers, const std::vector<std::string>& known) {
    std::size_t count = 0;
    while (count < layers.size() && count < known.size() && layers[count].value.text() == known[count]) ++count;
    return count;
}

std::optional<EngineReport> load_into_engine(layerstore::Store& store, const Image& image,
                                             const std::vector<std::string>& names,
                                             const std::optional<std::string>& context) {
    const EngineSearch search = find_engine(context);
    const bool is_wanted = search.engine && (!search.engine->is_podman || !search.engine->said_by.empty());
    if (is_wanted) return load_by_api(*search.engine, store, image, names);
    // Its program reads our store and takes only what it has not; a service of it takes archives.
    if (detail::find_podman()) {
        detail::load_by_podman(store, image, names);
        return EngineReport{.engine = "podman", .layers = image.manifest.layers.size()};
    }
    if (search.engine) return load_by_api(*search.engine, store, image, names);
    if (search.is_denied)
        throw Error(ErrorKind::denied, "load the image: " + join(search.tried, ", "),
                    "you need permission for the engine's socket (for docker: to be in the group docker)");
    return std::nullopt;
}

}  // namespace imgbuild::builder
