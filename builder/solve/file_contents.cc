// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/file_contents.h"

#include <algorithm>

#include "builder/remote/spooled_tar.h"
#include "builder/solve/base_image.h"
#include "builder/solve/materialised_contents.h"

namespace imgbuild::builder {

using layerstore::ContentSource;
using layerstore::ContentSources;

void FileContents::add(const DeltaId& delta, std::shared_ptr<ContentSource> files) {
    std::lock_guard lock(mutex_);
    deltas_[delta] = std::move(files);
}

std::shared_ptr<ContentSources> FileContents::of_layer(const StackLayer& layer) {
    auto sources = std::make_shared<ContentSources>();
    Seen seen;
    add_layer(layer, *sources, seen);
    return sources;
}

std::shared_ptr<ContentSources> FileContents::of_tree(const NodeResult& result) {
    auto sources = std::make_shared<ContentSources>();
    Seen seen;
    add_tree(result, *sources, seen);
    return sources;
}

void FileContents::add_tree(const NodeResult& result, ContentSources& sources, Seen& seen) {
    if (!seen.insert(&result).second) return;
    if (result.own_contents) sources.add(result.own_contents);
    // From the top, where the files that are still seen are most likely to lie.
    for (auto layer = result.stack.rbegin(); layer != result.stack.rend(); ++layer) add_layer(*layer, sources, seen);
}

// An edit's files stand with its sources, if they are not in a blob already: then the sources, perhaps a stage whose
// own bytes are gone, are not needed.
void FileContents::add_layer(const StackLayer& layer, ContentSources& sources, Seen& seen) {
    const NodeResult& origin = *layer.origin;
    const bool is_edit = std::holds_alternative<EditFiles>(origin.node->operation);
    auto is_in_blob = [&] {
        if (services_.find_blob(layer.delta)) return true;
        return services_.imported.has_claimed_sources(layer) && services_.imported.bring(layer);
    };
    if (!is_edit || is_in_blob()) {
        sources.add(of_delta(layer));
        return;
    }
    sources.add(services_.inline_contents);
    if (origin.own_contents) sources.add(origin.own_contents);
    for (std::size_t i = 1; i < origin.inputs.size(); ++i) add_tree(*origin.inputs[i], sources, seen);
}

std::shared_ptr<ContentSource> FileContents::of_delta(const StackLayer& layer) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<ContentSource>& source = deltas_[layer.delta];
    if (!source) source = open_delta(layer);
    return source;
}

std::shared_ptr<ContentSource> FileContents::open_delta(const StackLayer& layer) {
    if (std::holds_alternative<FromImage>(layer.origin->node->operation)) return open_base_layer(layer);
    auto blob = services_.find_blob(layer.delta);
    if (!blob) blob = services_.imported.bring(layer);
    if (blob) {
        const std::string what = "layer " + blob->blob.digest.short_hex();
        OpenTar open_tar = [&store = services_.store, descriptor = blob->blob, what](const auto& consume) {
            read_layer_tar(store.blobs(), descriptor, what, consume);
        };
        return std::make_shared<SpooledTar>(std::move(open_tar), services_.store.pending(), what);
    }
    Sandbox& sandbox = services_.sandbox.get();
    if (!sandbox.has(layer.delta)) {
        services_.imported.give_up(layer);
        throw BytesMissing(layer.delta);
    }
    return std::make_shared<MaterialisedContents>(sandbox, layer.delta, services_.load_delta(layer.delta));
}

std::shared_ptr<ContentSource> FileContents::open_base_layer(const StackLayer& layer) {
    const NodeResult& origin = *layer.origin;
    auto place = std::ranges::find(origin.stack, layer.delta, &StackLayer::delta);
    std::shared_ptr<const ResolvedImage> image = std::get<FromImage>(origin.node->operation).image;
    layerstore::Descriptor blob =
        image->image.manifest.layers.at(static_cast<std::size_t>(place - origin.stack.begin()));
    const std::string what = image->name + ": layer " + blob.digest.short_hex();
    OpenTar open_tar = [&services = services_, image, blob, what](const auto& consume) {
        services.lease.add(blob.digest);
        image->blobs->bring(blob);
        read_layer_tar(services.store.blobs(), blob, what, consume);
    };
    return std::make_shared<SpooledTar>(std::move(open_tar), services_.store.pending(), what);
}

std::optional<std::string> FileContents::read_file(const NodeResult& result, const ImagePath& path,
                                                   std::uint64_t limit) {
    std::optional<layerstore::Entry> entry = result.tree.find(result.tree.resolve(path));
    if (!entry || !entry->is_file() || entry->size > limit) return std::nullopt;
    if (entry->size == 0) return std::string();
    if (auto kept = services_.memos.find_file(entry->content)) return kept;
    std::string bytes =
        read_all(*of_tree(result)->require(entry->content, entry->size, path.bytes()), limit, path.bytes());
    services_.memos.put_file(entry->content, bytes);
    return bytes;
}

AccountFiles FileContents::account_files(const NodeResult& result) {
    auto read = [&](const char* path) {
        return read_file(result, ImagePath::clean(path), max_account_file_bytes).value_or("");
    };
    return {read("/etc/passwd"), read("/etc/group")};
}

}  // namespace imgbuild::builder
