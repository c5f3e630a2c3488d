// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/detail/collector.h"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "base/json.h"
#include "layerstore/store/detail/leases.h"

namespace imgbuild::layerstore::detail {
namespace {

constexpr std::int64_t grace_seconds = 10 * 60;

// What a blob that could be a document begins with; layers begin otherwise.
bool begins_like_json(const BlobStore& blobs, const Digest& digest, std::uint64_t size) {
    std::byte first{};
    return size > 0 && blobs.open(digest, size, "")->read({&first, 1}) == 1 && first == std::byte{'{'};
}

}  // namespace

Collector::Collector(Store& store, const PruneOptions& options, bool is_alone)
    : store_(store), options_(options), is_alone_(is_alone), now_(static_cast<std::int64_t>(std::time(nullptr))) {}

void Collector::read_store() {
    std::vector<Digest> blobs = store_.blobs().list();
    for (const Digest& blob : blobs) blob_bytes_[blob] = store_.blobs().size(blob).value_or(0);
    blobs_ = UseTable(std::move(blobs));
    materialised_ = materialised_deltas(store_.root());
    std::vector<Digest> deltas;
    for (const auto& [id, bytes] : store_.records().deltas()) deltas.push_back(id.value);
    for (const MaterialisedDelta& delta : materialised_) deltas.push_back(delta.id.value);
    deltas_ = UseTable(std::move(deltas));
    store_.records().each_layer([&](const LayerRecord& layer) { layers_.push_back(layer); });
    store_.records().each_memo([&](const MemoRow& memo) { memos_.push_back(memo); });
    // The latest first: then a document is read once, not again for each later use.
    std::sort(memos_.begin(), memos_.end(), [](const MemoRow& a, const MemoRow& b) { return a.used > b.used; });
}

// A document holds what it names: an index its images, a manifest its config and layers.
void Collector::note_document(const Digest& blob, std::int64_t time) {
    const std::uint64_t bytes = blob_bytes_.at(blob);
    if (bytes > max_manifest_bytes) return;
    try {
        if (!begins_like_json(store_.blobs(), blob, bytes)) return;
        const std::string text = store_.blobs().read(blob, max_manifest_bytes, "");
        for (const Digest& named : digests_in(text, [&](const Digest& digest) { return blobs_.has(digest); }))
            note_blob(named, time);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::not_found) throw;
    }
}

void Collector::note_blob(const Digest& blob, std::int64_t time) {
    if (blobs_.note(blob, time)) note_document(blob, time);
}

// Lists of images, some of which are elsewhere (builder/push): what of them is here is held.
void Collector::mark_lists() {
    constexpr const char* lists_folder = "lists";
    if (!store_.root().status(ImagePath().child(lists_folder))) return;
    const Directory folder = store_.root().open_directory(ImagePath().child(lists_folder), FollowLinks::never);
    for (const std::string& name : folder.list()) {
        const std::string text = folder.read_file(ImagePath().child(name), json_max_bytes);
        for (const Digest& named : digests_in(text, [&](const Digest& digest) { return blobs_.has(digest); }))
            note_blob(named, UseTable::always);
    }
}

void Collector::mark_images() {
    for (const NamedImage& image : store_.images()) note_blob(image.descriptor.digest, UseTable::always);
    mark_lists();
    const Leased leased = read_leases(store_.root());
    for (const Digest& blob : leased.blobs) note_blob(blob, UseTable::always);
    for (const DeltaId& delta : leased.deltas) deltas_.note(delta.value, UseTable::always);
}

void Collector::mark_memos() {
    for (const MemoRow& memo : memos_) {
        auto is_known = [&](const Digest& digest) { return blobs_.has(digest) || deltas_.has(digest); };
        std::vector<Digest> named = digests_in(memo.value, is_known);
        if (is_known(memo.key)) named.push_back(memo.key);
        for (const Digest& digest : named) {
            note_blob(digest, memo.used);
            deltas_.note(digest, memo.used);
        }
    }
}

// A delta and the layers that hold it are one content in two forms: a use of one is a use of the other. That an
// image holds a layer does not hold its materialised form, which can be made again from the blob.
void Collector::mark_layers() {
    for (const LayerRecord& layer : layers_) {
        const std::int64_t used = deltas_.of(layer.delta.value);
        if (used != UseTable::never) note_blob(layer.blob.digest, used);
    }
    for (const LayerRecord& layer : layers_) {
        const std::int64_t used = blobs_.of(layer.blob.digest);
        if (used != UseTable::never && used != UseTable::always) deltas_.note(layer.delta.value, used);
    }
}

// While others work, what they have just written has no name yet, and what one has found out another may wait for.
bool Collector::is_young(std::int64_t made) const { return !is_alone_ && now_ - made < grace_seconds; }

bool Collector::is_young(const Digest& blob) const {
    if (is_alone_) return false;
    const auto status = store_.blobs().directory().status(ImagePath().child(blob.hex()));
    return status && is_young(status->st_mtime);
}

void Collector::mark_young() {
    for (const Digest& blob : blobs_.ids())
        if (is_young(blob)) blobs_.note(blob, UseTable::always);
}

std::int64_t Collector::use_of(const MaterialisedDelta& delta) const {
    const std::int64_t used = deltas_.of(delta.id.value);
    if (is_young(delta.modified)) return UseTable::always;
    if (used != UseTable::never) return used;
    const bool is_of_image = std::any_of(layers_.begin(), layers_.end(), [&](const LayerRecord& layer) {
        return layer.delta == delta.id && blobs_.of(layer.blob.digest) == UseTable::always;
    });
    return is_of_image ? delta.modified : UseTable::never;
}

std::uint64_t Collector::total_bytes() const {
    std::uint64_t total = 0;
    for (const auto& [blob, bytes] : blob_bytes_) total += bytes;
    const auto database = store_.root().status(ImagePath().child("store.db"));
    return total + (database ? static_cast<std::uint64_t>(database->st_size) : 0);
}

std::vector<Collector::Candidate> Collector::candidates() {
    std::vector<Candidate> list;
    for (const auto& [blob, bytes] : blob_bytes_)
        if (const std::int64_t used = blobs_.of(blob); used != UseTable::always)
            list.push_back({used, bytes, 1, nullptr, blob});
    for (const MaterialisedDelta& delta : materialised_) {
        const std::int64_t used = use_of(delta);
        if (used == UseTable::always) continue;
        const auto record = store_.records().load_delta(delta.id);
        // The record and what stands beside the files are small change.
        const std::uint64_t inodes = record ? record->changes().size() : 1;
        list.push_back({used, record ? record->content_bytes() : 0, inodes, &delta, {}});
    }
    std::stable_sort(list.begin(), list.end(), [](const Candidate& a, const Candidate& b) { return a.used < b.used; });
    return list;
}

bool Collector::may_go(std::int64_t used) const {
    if (used == UseTable::never) return true;
    if (options_.unused_seconds && std::max<std::int64_t>(0, now_ - used) < *options_.unused_seconds) return false;
    return options_.all || options_.unused_seconds || is_limited();
}

bool Collector::is_small_enough(std::uint64_t bytes, std::uint64_t inodes) const noexcept {
    return is_limited() && (!options_.keep_bytes || bytes <= *options_.keep_bytes) &&
           (!options_.keep_inodes || inodes <= *options_.keep_inodes);
}

void Collector::choose() {
    std::vector<Candidate> list = candidates();
    std::uint64_t left = total_bytes();
    std::uint64_t left_inodes = blob_bytes_.size();
    for (const Candidate& candidate : list) {
        if (!candidate.delta) continue;
        left += candidate.bytes;
        left_inodes += candidate.inodes;
    }
    std::set<std::pair<std::string, DeltaId>> gone_directories;
    for (const Candidate& candidate : list) {
        const bool is_spared = candidate.used != UseTable::never && is_small_enough(left, left_inodes);
        if (!may_go(candidate.used) || is_spared) continue;
        left -= candidate.bytes;
        left_inodes -= candidate.inodes;
        result_.bytes += candidate.bytes;
        result_.inodes += candidate.inodes;
        ++(candidate.delta ? result_.deltas : result_.blobs);
        if (candidate.delta)
            gone_directories.emplace(candidate.delta->spelling, candidate.delta->id);
        else
            gone_blobs_.insert(candidate.blob);
        chosen_.push_back(candidate);
    }
    for (const auto& [spelling, id] : gone_directories) gone_deltas_.insert(id);
    for (const LayerRecord& layer : layers_)
        if (gone_blobs_.count(layer.blob.digest) > 0) gone_deltas_.insert(layer.delta);
    for (const MaterialisedDelta& delta : materialised_)
        if (gone_directories.count({delta.spelling, delta.id}) == 0) gone_deltas_.erase(delta.id);
    for (const LayerRecord& layer : layers_)
        if (blobs_.has(layer.blob.digest) && gone_blobs_.count(layer.blob.digest) == 0) gone_deltas_.erase(layer.delta);
}

PruneResult Collector::run(const RemoveDelta& remove_delta) {
    read_store();
    mark_images();
    mark_memos();
    mark_layers();
    mark_young();
    choose();
    if (options_.dry_run) return result_;
    remove_memos();
    remove_chosen(remove_delta);
    if (is_alone_) remove_records();
    remove_logs();
    remove_contexts();
    return result_;
}

}  // namespace imgbuild::layerstore::detail
