// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <exception>
#include <span>

#include "base/error.h"
#include "base/stream.h"
#include "base/wire.h"
#include "layerstore/store/detail/collector.h"
#include "layerstore/store/detail/format.h"
#include "layerstore/store/detail/leases.h"

// How a collection takes away what it chose.

namespace imgbuild::layerstore::detail {
namespace {

constexpr std::int64_t day = 24 * 3600;  // in seconds

// A step whose result came from the context or from trees in the records is done again from there; what a command or
// a download made is lost with its bytes.
bool needs_bytes(MemoKind kind) noexcept { return kind == MemoKind::run || kind == MemoKind::fetch; }

// What may not be entered is there.
bool is_there(const std::string& folder) {
    try {
        static_cast<void>(Directory::open_host(folder));
        return true;
    } catch (const Error& error) {
        return error.kind() != ErrorKind::not_found;
    }
}

// The beginning of an index names the folder that it is of (docs/formats/context-index.md). What cannot be read is
// left to its age.
bool is_of_lost_folder(const Directory& contexts, const std::string& name) {
    constexpr std::size_t head_bytes = 8192;
    constexpr std::string_view magic = "imgbuild context index 1\n";
    try {
        const auto file = contexts.try_open(ImagePath().child(name), O_RDONLY | O_NONBLOCK, FollowLinks::never);
        if (!file) return false;
        std::string head(head_bytes, '\0');
        head.resize(FdReader(file->get(), name).read(std::as_writable_bytes(std::span(head))));
        if (!head.starts_with(magic)) return false;
        WireReader in(std::string_view(head).substr(magic.size()), "context index");
        in.digest();
        const std::string folder(in.text());
        return folder.starts_with('/') && !is_there(folder);
    } catch (const Error&) {
        return false;
    }
}

}  // namespace

void Collector::remove_memos() {
    Records& records = store_.records();
    records.begin();
    std::exception_ptr problem;
    try {
        forget_memos(records);
    } catch (...) {
        problem = std::current_exception();
    }
    // Throws where nothing of it could be kept, as a Transaction would not: what follows takes away what the memos named,
    // and must not while they are there.
    records.end();
    if (problem) std::rethrow_exception(problem);
}

void Collector::forget_memos(Records& records) {
    auto is_gone = [&](const Digest& digest) { return gone_blobs_.count(digest) > 0; };
    auto is_gone_delta = [&](const Digest& digest) { return gone_deltas_.count(DeltaId{digest}) > 0; };
    std::erase_if(memos_, [&](const MemoRow& memo) {
        const bool is_old =
            (options_.all || options_.unused_seconds) && !is_limited() && may_go(memo.used) && !is_young(memo.created);
        const bool is_void = !digests_in(memo.value, is_gone).empty() || is_gone(memo.key) ||
                             (needs_bytes(memo.kind) && !digests_in(memo.value, is_gone_delta).empty());
        if (is_old || is_void) records.remove_memo(memo.kind, memo.key);
        return is_old || is_void;
    });
}

// A build leases what it is about to use and then looks whether it is there. While the lock is held nobody
// leases: whoever did before is seen here, whoever comes later sees what is gone.
void Collector::remove_chosen(const RemoveDelta& remove_delta) {
    const FileLock lock = lock_leases(store_.root(), LockMode::exclusive);
    const Leased leased = read_leases(store_.root());
    for (const Candidate& candidate : chosen_) {
        const bool is_kept = candidate.delta ? leased.deltas.count(candidate.delta->id) > 0
                                             : leased.blobs.count(candidate.blob) > 0 || is_young(candidate.blob);
        if (!is_kept && !candidate.delta) {
            store_.blobs().remove(candidate.blob);
            continue;
        }
        const bool is_removed =
            !is_kept && remove_delta && remove_delta(candidate.delta->spelling, candidate.delta->id);
        if (is_removed) continue;
        --(candidate.delta ? result_.deltas : result_.blobs);
        result_.bytes -= candidate.bytes;
        result_.inodes -= candidate.inodes;
    }
}

// Only while nobody else has the store open: a build relies on nodes that it has found once.
void Collector::remove_records() {
    Records& records = store_.records();
    UseTable nodes(records.nodes());
    UseTable links(records.link_tables());
    UseTable deltas(deltas_.ids());
    std::vector<Digest> to_visit;
    auto note = [&](const Digest& digest) {
        if (nodes.note(digest, UseTable::always)) to_visit.push_back(digest);
        links.note(digest, UseTable::always);
        deltas.note(digest, UseTable::always);
    };
    auto is_known = [&](const Digest& d) { return nodes.has(d) || links.has(d) || deltas.has(d); };
    for (const MemoRow& memo : memos_)
        for (const Digest& digest : digests_in(memo.value, is_known)) note(digest);
    while (!to_visit.empty()) {
        const Digest node = to_visit.back();
        to_visit.pop_back();
        for (const TreeId& child : records.children_of(node)) note(child.value);
    }
    for (const MaterialisedDelta& delta : materialised_deltas(store_.root()))
        deltas.note(delta.id.value, UseTable::always);

    {
        const Records::Transaction transaction(records);
        for (const LayerRecord& layer : layers_) {
            if (store_.blobs().has(layer.blob.digest))
                deltas.note(layer.delta.value, UseTable::always);
            else
                records.remove_layer(layer.blob.digest);
        }
        records.remove_lost_blobs();
        // Parents and children go in one transaction: a node that is there has all below it there.
        for (const Digest& id : nodes.ids())
            if (nodes.of(id) == UseTable::never) records.remove_node(id);
        for (const Digest& id : links.ids())
            if (links.of(id) == UseTable::never) records.remove_link_table(id);
        for (const Digest& id : deltas.ids())
            if (deltas.of(id) == UseTable::never) records.remove_delta(DeltaId{id});
    }
    records.shrink();
}

void Collector::remove_logs() {
    remove_files("logs", [&](const Directory&, const std::string&, std::int64_t modified) {
        return modified <= now_ - 7 * day;
    });
}

// A scan gives its index the time of now, whether it had to write it or not.
void Collector::remove_contexts() {
    const std::int64_t age = options_.unused_seconds.value_or(options_.all ? 0 : 30 * day);
    remove_files("contexts", [&](const Directory& contexts, const std::string& name, std::int64_t modified) {
        return modified <= now_ - age || is_of_lost_folder(contexts, name);
    });
}

void Collector::remove_files(const char* folder,
                             const std::function<bool(const Directory&, const std::string&, std::int64_t)>& may_go) {
    const ImagePath place = ImagePath().child(folder);
    if (!store_.root().status(place)) return;
    const Directory directory = store_.root().open_directory(place, FollowLinks::never);
    for (const std::string& name : directory.list()) {
        const auto status = is_path_component(name) ? directory.status(ImagePath().child(name)) : std::nullopt;
        if (!status || !may_go(directory, name, status->st_mtime)) continue;
        result_.bytes += static_cast<std::uint64_t>(status->st_size);
        directory.remove_tree(name);
    }
}

}  // namespace imgbuild::layerstore::detail

namespace imgbuild::layerstore {

PruneResult Store::prune(const PruneOptions& options, const RemoveDelta& remove_delta) {
    require_writable("prune");
    records();
    // Our own share of the lock would stand in the way.
    use_.release();
    auto alone = FileLock::try_acquire(root_, detail::use_lock_name, LockMode::exclusive);
    if (!alone) use_ = FileLock::acquire(root_, detail::use_lock_name, LockMode::shared);
    auto share_again = [&] {
        if (!alone) return;
        alone->release();
        use_ = FileLock::acquire(root_, detail::use_lock_name, LockMode::shared);
    };
    try {
        if (alone) TemporaryDirectory::sweep(pending_);
        const PruneResult result = detail::Collector(*this, options, alone.has_value()).run(remove_delta);
        share_again();
        return result;
    } catch (...) {
        share_again();
        throw;
    }
}

}  // namespace imgbuild::layerstore
