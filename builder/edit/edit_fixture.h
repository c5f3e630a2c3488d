// SPDX-License-Identifier: Apache-2.0
#pragma once

// Trees from a few lines and deltas as one line, for the tests of this folder.

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/test_support.h"
#include "builder/edit/edit.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder::test {

inline ImagePath at(std::string_view text) { return ImagePath::clean(text); }

inline constexpr layerstore::FileTime source_time{1'700'000'000, 5};

/// What a tree or an archive holds; parents that are not named are implied.
struct Files {
    std::vector<layerstore::Change> changes;
    std::vector<layerstore::LinkGroup> links;
    layerstore::MemoryContents* contents;

    Files& put(std::string_view path, layerstore::Entry entry, Owner owner) {
        entry.uid = owner.uid;
        entry.gid = owner.gid;
        entry.mtime = source_time;
        changes.push_back({at(path), layerstore::ChangeKind::put, std::move(entry)});
        return *this;
    }
    Files& file(std::string_view path, std::string bytes = "", std::uint16_t mode = 0644, Owner owner = {}) {
        layerstore::Entry entry;
        entry.mode = mode;
        entry.size = bytes.size();
        entry.content = contents->add(std::move(bytes));
        return put(path, std::move(entry), owner);
    }
    Files& folder(std::string_view path, std::uint16_t mode = 0755, Owner owner = {}) {
        layerstore::Entry entry = layerstore::implied_directory();
        entry.mode = mode;
        return put(path, std::move(entry), owner);
    }
    Files& link(std::string_view path, std::string_view target, Owner owner = {}) {
        layerstore::Entry entry;
        entry.kind = layerstore::EntryKind::symlink;
        entry.mode = 0777;
        entry.link_target = target;
        return put(path, std::move(entry), owner);
    }
    Files& same(std::vector<std::string> paths) {
        layerstore::LinkGroup& group = links.emplace_back();
        for (const std::string& path : paths) group.push_back(at(path));
        return *this;
    }
    layerstore::TreeDelta delta() const { return layerstore::TreeDelta::build(changes, links); }
    layerstore::Tree tree() const { return layerstore::apply(layerstore::Tree(), delta()); }
};

struct EditFixture {
    layerstore::MemoryContents contents;
    Files root{{}, {}, &contents};
    Files source{{}, {}, &contents};
    Files archive{{}, {}, &contents};  ///< of every file whose name ends in .tar
    std::vector<std::string> asked;    ///< files that were asked for their archive
    TransferFiles copy;
    bool unpacks = false;  ///< of the sources that from_to() names
    AccountFiles accounts;
    bool explains = false;

    /// COPY of `sources` to `destination`, which the text says to be a directory or not.
    EditFixture& from_to(const std::vector<std::string>& sources, std::string_view destination) {
        copy.sources.clear();
        for (const std::string& text : sources) copy.sources.push_back({0, text, "", text, unpacks});
        copy.destination = at(destination);
        copy.into_directory = destination.ends_with('/');
        return *this;
    }

    EditInputs inputs() {
        auto find = [this](const std::string& text) { return builder::find_owner(text, accounts); };
        auto unpack = [this](const layerstore::Entry&, const std::string& name) {
            asked.push_back(name);
            return name.ends_with(".tar") ? std::optional(archive.delta()) : std::nullopt;
        };
        EditInputs made{root.tree(), {source.tree()}, contents, find, unpack, {}};
        if (explains) made.explain_missing = [](const TransferSource& missing) { return "about " + missing.written; };
        return made;
    }
    layerstore::TreeDelta run() { return transfer_files(copy, inputs()); }
    std::string refusal() {
        return imgbuild::test::refusal([this] { run(); });
    }

    /// "d/ d/f=bytes d/l>target": what is put, with mode and owner where they are not the usual ones.
    std::string text(const layerstore::TreeDelta& delta) {
        std::string all;
        for (const layerstore::Change& change : delta.changes()) {
            const layerstore::Entry& entry = change.entry;
            all += (all.empty() ? "" : " ") + std::string(change.path.relative());
            unsigned usual = 0644;
            if (entry.is_directory()) {
                all += '/';
                usual = 0755;
            } else if (entry.kind == layerstore::EntryKind::symlink) {
                all += ">" + entry.link_target;
                usual = 0777;
            } else if (entry.size > 0) {
                all += "=" + read_all(*contents.open(entry.content, entry.size), 1 << 20, "a test");
            }
            if (entry.mode != usual) all += fmt::format("[{:04o}]", unsigned{entry.mode});
            if (entry.uid != 0 || entry.gid != 0) all += fmt::format("[{}:{}]", entry.uid, entry.gid);
        }
        for (const layerstore::LinkGroup& group : delta.links()) {
            all += " same:";
            for (const ImagePath& path : group) all += path.bytes();
        }
        return all;
    }
    std::string result() { return text(run()); }
};

}  // namespace imgbuild::builder::test
