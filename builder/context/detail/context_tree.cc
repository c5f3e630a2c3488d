// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/context_tree.h"

#include <algorithm>
#include <map>

#include "base/image_path.h"

namespace imgbuild::builder {
namespace {

using layerstore::Child;
using layerstore::Entry;
using layerstore::EntryKind;
using layerstore::FileTime;
using layerstore::LinkGroup;
using layerstore::Subtree;
using layerstore::Tree;

struct SharedFile {
    LinkGroup names;
    FileTime last_seen;  // the latest first_seen of its names: they are one file and have one time
};
using SharedFiles = std::map<std::uint32_t, SharedFile>;

SharedFiles shared_files(const FoundPaths& found) {
    SharedFiles files;
    for (const Found& entry : found.entries) {
        if (entry.same_file == nothing) continue;
        SharedFile& file = files[entry.same_file];
        file.names.push_back(ImagePath::clean(found.path(entry)));
        file.last_seen = std::max(file.last_seen, entry.record.first_seen);
    }
    return files;
}

std::uint16_t git_mode(const IndexRecord& record) noexcept {
    if (record.kind == EntryKind::symlink) return record.mode;
    return record.kind == EntryKind::directory || (record.mode & 0100) != 0 ? 0755 : 0644;
}

class TreeBuilder {
  public:
    TreeBuilder(const FoundPaths& found, bool git_modes, ContextTimes times)
        : found_(found), git_modes_(git_modes), times_(times), shared_(shared_files(found)) {}

    Tree build() {
        Entry root = entry_of(found_.entries.front());
        open_.emplace_back();
        for (std::size_t i = 1; i < found_.entries.size(); ++i)
            if (found_.entries[i].included) add(found_.entries[i]);
        close_to(1);
        std::vector<LinkGroup> groups;
        for (auto& [first, file] : shared_)
            if (file.names.size() > 1) groups.push_back(std::move(file.names));
        return Tree(std::move(root), Subtree::make(std::move(open_.front())), std::move(groups));
    }

  private:
    void add(const Found& found) {
        close_to(found.depth);
        std::string_view path = found_.path(found);
        open_.back().push_back({std::string(path.substr(path.rfind('/') + 1)), entry_of(found), nullptr});
        if (found.record.kind == EntryKind::directory) open_.emplace_back();
    }

    // Ends the directories that are deeper; `depth` of them stay open.
    void close_to(std::uint32_t depth) {
        while (open_.size() > depth) {
            auto below = open_.back().empty() ? Subtree::empty() : Subtree::make(std::move(open_.back()));
            open_.pop_back();
            open_.back().back().below = std::move(below);
        }
    }

    Entry entry_of(const Found& found) const {
        const IndexRecord& record = found.record;
        Entry entry;
        entry.kind = record.kind;
        entry.mode = git_modes_ ? git_mode(record) : record.mode;
        entry.mtime = record.first_seen;
        entry.xattrs = record.xattrs;
        entry.link_target = found.link_target;
        entry.device_major = found.device_major;
        entry.device_minor = found.device_minor;
        if (record.kind == EntryKind::file) {
            entry.size = record.identity.size;
            entry.content = record.content;
        }
        if (found.same_file != nothing) entry.mtime = shared_.at(found.same_file).last_seen;
        if (times_ == ContextTimes::own) entry.mtime = found.mtime;
        return entry;
    }

    const FoundPaths& found_;
    bool git_modes_;
    ContextTimes times_;
    SharedFiles shared_;
    std::vector<std::vector<Child>> open_;  // the directories from the root down to the one being filled
};

}  // namespace

Tree context_tree(const FoundPaths& found, bool git_modes, ContextTimes times) {
    return TreeBuilder(found, git_modes, times).build();
}

}  // namespace imgbuild::builder
