// SPDX-License-Identifier: Apache-2.0
#include "builder/context/context_scan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>

#include "base/error.h"
#include "builder/context/detail/context_contents.h"
#include "builder/context/detail/context_index.h"
#include "builder/context/detail/context_tree.h"
#include "builder/context/detail/hash_files.h"
#include "builder/context/detail/walk.h"
#include "builder/context/detail/wanted_paths.h"

namespace imgbuild::builder {
namespace {

using layerstore::EntryKind;
using layerstore::FileTime;

constexpr std::int64_t second = 1'000'000'000;  // in nanoseconds

FileTime plus(FileTime time, std::int64_t nanoseconds) noexcept {
    std::int64_t total = time.nanoseconds + nanoseconds % second + second;  // above zero
    return {time.seconds + nanoseconds / second - 1 + total / second, static_cast<std::uint32_t>(total % second)};
}

// The clock that the kernel stamps files with: what a RUN writes after a scan is never older than this.
FileTime wall_clock() {
    timespec now{};
    if (::clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0) throw_errno("read", "the clock");
    return {now.tv_sec, static_cast<std::uint32_t>(now.tv_nsec)};
}

// Hashes what is unknown, each hard-linked file once.
void complete(const Directory& root, FoundPaths& found, TaskPool& pool, ScannedContext& result) {
    std::vector<std::uint32_t> jobs;
    for (std::uint32_t i = 0; i < found.entries.size(); ++i) {
        const Found& entry = found.entries[i];
        if (entry.known || (entry.same_file != nothing && entry.same_file != i)) continue;
        jobs.push_back(i);
        ++result.hashed_files;
        result.hashed_bytes += entry.record.identity.size;
    }
    hash_files(root, found, jobs, pool);
    for (Found& entry : found.entries) {
        if (entry.same_file == nothing) continue;
        const IndexRecord& first = found.entries[entry.same_file].record;
        entry.record.content = first.content;
        entry.record.xattrs = first.xattrs;
    }
}

// Says of each path since when its content is known. True if the index must be written.
bool set_times(FoundPaths& found, FileTime now, std::uint32_t indexed) {
    bool changed = false;
    std::size_t still_there = static_cast<std::size_t>(std::ranges::count(found.kept, true));
    for (Found& entry : found.entries) {
        if (!entry.included) continue;
        IndexRecord& record = entry.record;
        if (entry.indexed != nothing) ++still_there;
        if (entry.indexed != nothing && entry.replaced == nothing) continue;
        if (entry.indexed == nothing) {
            record.first_seen = now;
            changed = true;
            continue;
        }
        const IndexRecord& old = found.replaced[entry.replaced];
        // Behind the last time even if the clock was set back: what was made from the old content has a later one.
        record.first_seen = same_content(record, old) ? old.first_seen : std::max(now, plus(old.first_seen, 1));
        changed = changed || !(record == old);
    }
    return changed || still_there != indexed;
}

void write_index(const FoundPaths& found, const ContextIndex& index, const Directory& indexes, const IndexName& name) {
    IndexWriter writer;
    ContextIndex::Cursor old(index);
    auto write_kept_before = [&](std::string_view path, bool all) {
        for (; !old.at_end() && (all || compare_path_bytes(old.path(), path) < 0); old.next())
            if (found.kept[old.number()]) writer.add(old.path(), old.record());
    };
    for (const Found& entry : found.entries) {
        if (!entry.included) continue;
        write_kept_before(found.path(entry), false);
        writer.add(found.path(entry), entry.record);
    }
    write_kept_before({}, true);
    try {
        writer.commit(indexes, name);
    } catch (const Error& error) {
        // A memo: a store that cannot be written to costs time in the next build and nothing in this one.
        if (error.kind() != ErrorKind::denied && error.kind() != ErrorKind::no_space) throw;
    }
}

// By the time of the file pruning sees that it is used. Where that cannot be set it looks older than it is, no more.
void note_use(const Directory& indexes, const IndexName& name) {
    ::utimensat(indexes.fd(), name.file.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

void count_files(const FoundPaths& found, ScannedContext& result) {
    for (std::uint32_t i = 0; i < found.entries.size(); ++i) {
        const Found& entry = found.entries[i];
        if (entry.record.kind != EntryKind::file || (entry.same_file != nothing && entry.same_file != i)) continue;
        ++result.files;
        result.bytes += entry.record.identity.size;
    }
}

}  // namespace

ScannedContext scan_context(const Directory& root, const ContextOptions& options, const Directory& indexes,
                            TaskPool& pool) {
    ScannedContext result;
    const parser::IgnoreRules* ignore = options.ignore && !options.ignore->empty() ? options.ignore : nullptr;
    FileTime settled_before = plus(wall_clock(), -options.racy_margin.count());
    IndexName name = index_name(root);
    ContextIndex index = ContextIndex::load(indexes, name);
    WantedPaths wanted = resolve_wanted(root, options.wanted, ignore);
    FoundPaths found = walk_context(root, wanted, index, {ignore, settled_before}, pool);
    complete(root, found, pool, result);
    // Taken after the last file was read, so that no content is older than its time.
    if (set_times(found, wall_clock(), index.count()))
        write_index(found, index, indexes, name);
    else
        note_use(indexes, name);
    count_files(found, result);
    result.tree = context_tree(found, options.git_modes, ContextTimes::first_seen);
    if (options.own_times) result.own_times = context_tree(found, options.git_modes, ContextTimes::own);
    result.contents = context_contents(root, found);
    return result;
}

}  // namespace imgbuild::builder
