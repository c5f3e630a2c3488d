// SPDX-License-Identifier: Apache-2.0
#pragma once

// Random trees and deltas for property tests, over a small alphabet of names, so that two of them collide often:
// kinds change, directories vanish, links are cut. What they hold goes to the ends of what a file system can: names of
// 255 bytes, owners beyond 21 bits, times beyond 32, files with holes, capabilities. The same seed gives the same trees
// on every machine, and for_each_seed() makes a failure name its own.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "layerstore/tree/algebra.h"
#include "layerstore/tree/content_source.h"

namespace imgbuild::layerstore::test {

class RandomTrees {
  public:
    /// Without links, every law holds for links too; with them, normalise() may keep some that a delta cut.
    enum class Links : bool { none, some };

    explicit RandomTrees(std::uint32_t seed, Links links = Links::some) : links_(links), random_(seed) {}

    Tree tree() { return apply(Tree(), tree_delta()); }

    /// What makes a tree of nothing: puts only.
    TreeDelta tree_delta() {
        Draft draft;
        if (pick(3) == 0) draft.changes.push_back({ImagePath(), ChangeKind::put, directory()});
        fill(ImagePath(), 0, draft, false);
        return finish(std::move(draft));
    }

    /// Puts, removals and opaque directories, for any tree below.
    TreeDelta delta() {
        Draft draft;
        if (pick(8) == 0)
            draft.changes.push_back({ImagePath(), pick(3) == 0 ? ChangeKind::empty : ChangeKind::put, directory()});
        fill(ImagePath(), 0, draft, true);
        return finish(std::move(draft));
    }

    /// `delta` with its changes and groups in any order.
    TreeDelta shuffled(const TreeDelta& delta) {
        std::vector<Change> changes(delta.changes().begin(), delta.changes().end());
        std::vector<LinkGroup> links(delta.links().begin(), delta.links().end());
        shuffle(changes);
        for (LinkGroup& group : links) shuffle(group);
        shuffle(links);
        return TreeDelta::build(std::move(changes), std::move(links));
    }

    /// `bytes` with one byte changed, taken out, put in or moved, or cut short.
    std::string damaged(std::string bytes) {
        std::size_t at = pick(static_cast<unsigned>(bytes.size()));
        switch (pick(5)) {
            case 0: bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + pick(255))); break;
            case 1: bytes.erase(at, 1); break;
            case 2: bytes.insert(at, 1, static_cast<char>(pick(256))); break;
            case 3: bytes.resize(at); break;
            default: std::swap(bytes[at], bytes[pick(static_cast<unsigned>(bytes.size()))]); break;
        }
        return bytes;
    }

    /// Below `below`, which is not 0. No library's distribution: those differ between machines.
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

    /// The bytes of every file that any of the trees holds.
    std::shared_ptr<MemoryContents> contents() const { return contents_; }

  private:
    struct Draft {
        std::vector<Change> changes;
        std::vector<std::size_t> files;  // indices of changes
    };

    template <class Value>
    void shuffle(std::vector<Value>& values) {
        for (std::size_t left = values.size(); left > 1; --left)
            std::swap(values[left - 1], values[pick(static_cast<unsigned>(left))]);
    }

    void dress(Entry& entry) {
        entry.uid = pick(2);
        if (pick(16) == 0) entry.uid = pick(2) == 0 ? (1 << 21) + 5 : UINT32_MAX - 1;
        entry.gid = pick(8) == 0 ? 70000 : 0;
        entry.mtime = {static_cast<std::int64_t>(pick(3)) - 1, pick(4) == 0 ? 5u : 0u};
        if (pick(16) == 0) entry.mtime = {(std::int64_t{1} << 32) + 7, 999'999'999};
        Xattrs xattrs;
        // A capability as the kernel takes it: version 2, two words each of permitted and inheritable.
        if (entry.is_file() && pick(16) == 0)
            xattrs.emplace_back("security.capability", std::string("\0\0\0\2\0\x20\0\0", 8) + std::string(12, '\0'));
        if ((entry.is_file() || entry.is_directory()) && pick(5) == 0)
            xattrs.emplace_back("user.k", std::string("\0v", 2));
        if (!xattrs.empty()) entry.xattrs = std::make_shared<const Xattrs>(std::move(xattrs));
    }

    Entry directory() {
        Entry entry = implied_directory();
        entry.mode = pick(2) == 0 ? 0755 : 01700;
        dress(entry);
        return entry;
    }

    Entry leaf() {
        Entry entry;
        unsigned kind = pick(12);
        if (kind < 2) {
            entry.kind = EntryKind::symlink;
            entry.mode = 0777;
            entry.link_target = pick(2) == 0 ? "/a" : "../b";
        } else if (kind == 2) {
            entry.kind = EntryKind::fifo;
        } else if (kind == 3) {
            entry.kind = pick(2) == 0 ? EntryKind::character_device : EntryKind::block_device;
            entry.device_major = 1 + pick(2);
            entry.device_minor = pick(300);
        } else {
            std::string bytes(pick(3), 'x');
            if (pick(16) == 0) bytes = std::string(pick(3) * 4096, '\0') + bytes + std::string(pick(2) * 8192, '\0');
            entry.mode = pick(4) == 0 ? 04755 : 0644;
            entry.size = bytes.size();
            entry.content = contents_->add(std::move(bytes));
        }
        dress(entry);
        return entry;
    }

    void fill(const ImagePath& here, int depth, Draft& draft, bool removes) {
        static const std::array<std::string, 5> plain{"a", "a-", "b", "c\n", "\xff"};
        static const std::array<std::string, 5> odd{"..wh.", ".wh", std::string(255, 'n'), ".whx", "..."};
        for (std::size_t i = 0; i < plain.size(); ++i) {
            if (pick(2) == 0) continue;
            ImagePath path = here.child(pick(12) == 0 ? odd[i] : plain[i]);
            if (removes && pick(4) == 0) {
                draft.changes.push_back({path, ChangeKind::remove, {}});
            } else if (depth < 3 && pick(2) == 0) {
                bool is_implied = pick(6) == 0;
                ChangeKind kind = removes && pick(3) == 0 ? ChangeKind::empty : ChangeKind::put;
                if (!is_implied) draft.changes.push_back({path, kind, directory()});
                fill(path, depth + 1, draft, removes);
            } else {
                draft.changes.push_back({path, ChangeKind::put, leaf()});
                if (draft.changes.back().entry.is_file()) draft.files.push_back(draft.changes.size() - 1);
            }
        }
    }

    TreeDelta finish(Draft draft) {
        std::vector<LinkGroup> links;
        shuffle(draft.files);
        std::size_t next = 0;
        while (links_ == Links::some && pick(3) != 0 && next + 2 <= draft.files.size()) {
            LinkGroup& group = links.emplace_back();
            std::size_t end = std::min<std::size_t>(draft.files.size(), next + 2 + pick(2));
            const Entry same = draft.changes[draft.files[next]].entry;
            for (; next < end; ++next) {
                draft.changes[draft.files[next]].entry = same;
                group.push_back(draft.changes[draft.files[next]].path);
            }
        }
        return TreeDelta::build(std::move(draft.changes), std::move(links));
    }

    Links links_;
    std::mt19937 random_;
    std::shared_ptr<MemoryContents> contents_ = std::make_shared<MemoryContents>();
};

/// Runs `law` with the seeds 1 to `count`, or to $IMGBUILD_TEST_SEEDS.
inline void for_each_seed(std::uint32_t count, const std::function<void(RandomTrees&)>& law,
                          RandomTrees::Links links = RandomTrees::Links::some) {
    if (const char* wanted = std::getenv("IMGBUILD_TEST_SEEDS"))
        count = static_cast<std::uint32_t>(std::strtoul(wanted, nullptr, 10));
    for (std::uint32_t seed = 1; seed <= count; ++seed) {
        RandomTrees random(seed, links);
        CAPTURE(seed);
        law(random);
    }
}

}  // namespace imgbuild::layerstore::test
