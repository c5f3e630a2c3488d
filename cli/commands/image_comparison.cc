// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/image_comparison.h"

#include <algorithm>
#include <map>

#include "base/compression.h"
#include "base/error.h"
#include "base/text.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::cli {
namespace {

using builder::EntryState;
using builder::FileDifference;
using layerstore::Image;

class LayerTar final : public ByteReader {
  public:
    LayerTar(std::unique_ptr<ByteReader> blob, Compression compression, const std::string& what)
        : blob_(std::move(blob)), tar_(make_decompressor(*blob_, compression, what)) {}
    std::size_t read(std::span<std::byte> buffer) override { return tar_->read(buffer); }

  private:
    std::unique_ptr<ByteReader> blob_;
    std::unique_ptr<ByteReader> tar_;
};

using Members = std::vector<std::pair<std::string, Json>>;

// A document's members under one name each; those of "config" singly, and the entries of the history.
Members members_of(const Image& image) {
    Members members;
    const Json document = parse_json(image.config_bytes, "config");
    for (const auto& [key, value] : document.items()) {
        if (key == "rootfs") continue;  // the files and the layers say it
        if (key == "config" && value.is_object())
            for (const auto& [inner, setting] : value.items()) members.emplace_back("config." + inner, setting);
        else if (key == "history" && value.is_array())
            for (std::size_t i = 0; i < value.size(); ++i)
                members.emplace_back("history[" + std::to_string(i) + "]", value[i]);
        else
            members.emplace_back(key, value);
    }
    const Json manifest = parse_json(image.manifest_bytes, "manifest");
    for (const auto& [key, value] : manifest.items())
        if (key != "config" && key != "layers" && key != "schemaVersion")
            members.emplace_back("manifest." + key, value);
    return members;
}

std::vector<ConfigDifference> compare_documents(const Image& before, const Image& after) {
    std::vector<ConfigDifference> list;
    std::map<std::string, std::size_t> places;
    for (auto& [key, value] : members_of(before)) {
        places.emplace(key, list.size());
        list.push_back({key, std::move(value), nullptr});
    }
    for (auto& [key, value] : members_of(after)) {
        const auto place = places.find(key);
        if (place == places.end())
            list.push_back({key, nullptr, std::move(value)});
        else
            list[place->second].after = std::move(value);
    }
    std::erase_if(list, [](const ConfigDifference& one) { return one.before == one.after; });
    return list;
}

LayerPair pair_of(const Image& before, std::size_t i, const Image& after, std::size_t k) {
    return {i, k, before.config.diff_ids[i] == after.config.diff_ids[k],
            before.manifest.layers[i].digest == after.manifest.layers[k].digest};
}

// What both have from below and from above; between them, what one alone has.
std::vector<LayerPair> pairs_by_content(const Image& before, const Image& after) {
    const std::vector<DiffId>& a = before.config.diff_ids;
    const std::vector<DiffId>& b = after.config.diff_ids;
    const std::size_t shorter = std::min(a.size(), b.size());
    std::size_t below = 0, above = 0;
    while (below < shorter && a[below] == b[below]) ++below;
    while (above < shorter - below && a[a.size() - 1 - above] == b[b.size() - 1 - above]) ++above;
    std::vector<LayerPair> pairs;
    for (std::size_t i = 0; i < below; ++i) pairs.push_back(pair_of(before, i, after, i));
    for (std::size_t i = below; i < a.size() - above; ++i) pairs.push_back({i, std::nullopt});
    for (std::size_t i = below; i < b.size() - above; ++i) pairs.push_back({std::nullopt, i});
    for (std::size_t i = above; i > 0; --i) pairs.push_back(pair_of(before, a.size() - i, after, b.size() - i));
    return pairs;
}

std::vector<LayerPair> pairs_by_place(const Image& before, const Image& after) {
    const std::size_t first = before.config.diff_ids.size();
    const std::size_t second = after.config.diff_ids.size();
    std::vector<LayerPair> pairs;
    for (std::size_t i = 0; i < std::max(first, second); ++i) {
        if (i < first && i < second)
            pairs.push_back(pair_of(before, i, after, i));
        else
            pairs.push_back(i < first ? LayerPair{i, std::nullopt} : LayerPair{std::nullopt, i});
    }
    return pairs;
}

/// Compares layers of one image with layers of another.
class LayerReading {
  public:
    LayerReading(const ImageSide& before, const ImageSide& after, const Directory& scratch,
                 const builder::ComparisonOptions& options)
        : before_(before), after_(after), scratch_(scratch), options_(options) {}

    std::vector<FileDifference> compare(const std::vector<std::size_t>& before,
                                        const std::vector<std::size_t>& after) const {
        std::vector<builder::ComparedLayer> first = stack_of(before_, before);
        std::vector<builder::ComparedLayer> second = stack_of(after_, after);
        std::vector<FileDifference> list = builder::compare_stacks(first, second, scratch_, options_);
        for (FileDifference& difference : list) {
            if (difference.before.layer) difference.before.layer = before[*difference.before.layer];
            if (difference.after.layer) difference.after.layer = after[*difference.after.layer];
        }
        return list;
    }

  private:
    static std::vector<builder::ComparedLayer> stack_of(const ImageSide& side, const std::vector<std::size_t>& layers) {
        std::vector<builder::ComparedLayer> stack;
        for (const std::size_t layer : layers)
            stack.push_back({side.name + ": layer " + side.image.manifest.layers[layer].digest.text(),
                             [&side, layer] { return side.open(layer); }, side.known ? side.known(layer) : nullptr});
        return stack;
    }

    const ImageSide& before_;
    const ImageSide& after_;
    const Directory& scratch_;
    const builder::ComparisonOptions& options_;
};

// The files of the lowest layers, which both have, where they are known without reading.
std::optional<layerstore::Tree> known_tree(const ImageSide& side, const std::vector<LayerPair>& pairs) {
    layerstore::Tree tree;
    for (const LayerPair& pair : pairs) {
        if (!pair.before || !pair.after) break;
        const auto delta = side.known ? side.known(*pair.before) : nullptr;
        if (!delta) return std::nullopt;
        tree = layerstore::apply(tree, *delta);
    }
    return tree;
}

void compare_by_content(const ImageSide& before, const LayerReading& reading, ImageComparison& comparison,
                        builder::ComparisonOptions& options) {
    const std::optional<layerstore::Tree> below = known_tree(before, comparison.layers);
    comparison.knows_shared = below.has_value();
    options.below = below ? &*below : nullptr;
    std::vector<std::size_t> first, second;
    for (const LayerPair& pair : comparison.layers) {
        if (pair.before && !pair.after) first.push_back(*pair.before);
        if (pair.after && !pair.before) second.push_back(*pair.after);
    }
    comparison.files = reading.compare(first, second);
    options.below = nullptr;
}

void compare_by_place(const LayerReading& reading, ImageComparison& comparison) {
    for (const LayerPair& pair : comparison.layers) {
        if (pair.same_files) continue;
        std::vector<std::size_t> first, second;
        if (pair.before) first.push_back(*pair.before);
        if (pair.after) second.push_back(*pair.after);
        std::vector<FileDifference> list = reading.compare(first, second);
        std::ranges::move(list, std::back_inserter(comparison.files));
    }
}

}  // namespace

std::unique_ptr<ByteReader> open_layer_tar(std::unique_ptr<ByteReader> blob, const layerstore::Descriptor& layer,
                                           const std::string& what) {
    const std::optional<Compression> compression = layerstore::layer_compression(layer.media_type);
    if (!compression)
        throw Error(ErrorKind::unsupported, what + ": no layer that can be unpacked: " + printable(layer.media_type));
    return std::make_unique<LayerTar>(std::move(blob), *compression, what);
}

std::vector<LayerOrigin> origins_of_history(const Image& image) {
    std::vector<LayerOrigin> origins;
    for (const layerstore::HistoryEntry& entry : image.config.history)
        if (!entry.empty_layer) origins.push_back({printable(entry.created_by), ""});
    if (origins.size() != image.manifest.layers.size()) origins.assign(image.manifest.layers.size(), {});
    return origins;
}

ImageComparison compare_images(const ImageSide& before, const ImageSide& after, Pairing pairing,
                               const Directory& scratch, builder::ComparisonOptions options) {
    ImageComparison comparison;
    comparison.is_equal = before.image.descriptor.digest == after.image.descriptor.digest;
    comparison.config = compare_documents(before.image, after.image);
    comparison.layers = pairing == Pairing::content ? pairs_by_content(before.image, after.image)
                                                    : pairs_by_place(before.image, after.image);
    options.below = nullptr;
    ImageSide first = before, second = after;
    // What is remembered of a layer has no times of its own.
    if (options.with_times) first.known = second.known = {};
    const LayerReading reading(first, second, scratch, options);
    if (pairing == Pairing::content)
        compare_by_content(first, reading, comparison, options);
    else
        compare_by_place(reading, comparison);
    return comparison;
}

}  // namespace imgbuild::cli
