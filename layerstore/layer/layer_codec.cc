// SPDX-License-Identifier: Apache-2.0
#include "layerstore/layer/layer_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/layer/tar_writer.h"

namespace imgbuild::layerstore {
namespace {

constexpr int max_parent_links = 40;

// Collects the entries of one layer in the order of its tar and turns them into a delta at the end.
class LayerBuilder {
  public:
    LayerBuilder(const Tree& below, std::string what) : below_(below), what_(std::move(what)) {}

    // Where an entry lands: its name with links in its parents followed, inside the root.
    ImagePath place(std::string_view name) const {
        auto path = ImagePath::parse_strict(name);
        if (!path) fail(name, "a name that is not a path below the root");
        ImagePath parent = path->parent();
        for (std::string_view part : parent.components())
            if (part.starts_with(whiteout_prefix)) fail(name, "lies below a name that marks a deletion");
        return path->is_root() ? *path : resolve(parent, name).child(path->name());
    }

    void add(const ImagePath& path, Entry entry) {
        bool is_whiteout_device =
            entry.kind == EntryKind::character_device && entry.device_major == 0 && entry.device_minor == 0;
        if (is_whiteout_device) fail(path.bytes(), "a device 0:0, which overlay file systems take for a deletion");
        if (path.is_root() && !entry.is_directory()) fail(path.bytes(), "the root can only be a directory");
        clear_place(path, entry.is_directory());
        entries_[path] = Put{std::move(entry), next_set_++};
    }

    void add_hard_link(const ImagePath& path, std::string_view target_name) {
        ImagePath target = place(target_name);
        auto inside = entries_.find(target);
        std::optional<Entry> lower = inside == entries_.end() ? below_.find(target) : std::nullopt;
        const Entry* entry = inside != entries_.end() ? &inside->second.entry : lower ? &*lower : nullptr;
        if (!entry || !(entry->is_file() || entry->kind == EntryKind::symlink))
            fail(path.bytes(),
                 fmt::format("a hard link to {}, which is not a file of the image", printable(target_name)));
        if (path == target) return;
        Put linked{*entry, inside != entries_.end() && entry->is_file() ? inside->second.set : next_set_++};
        clear_place(path, false);
        entries_[path] = std::move(linked);
    }

    // True if the entry is a marker of image-spec layer.md and was taken as one.
    bool take_marker(const ImagePath& path, const TarEntry& found) {
        std::string_view name = path.name();
        if (!name.starts_with(whiteout_prefix)) return false;
        if (found.is_hard_link || !found.entry.is_file()) fail(path.bytes(), "a deletion is marked by a plain file");
        if (name == opaque_marker_name) {
            opaque_.insert(path.parent());
            return true;
        }
        bool is_aufs_note = name == ".wh..wh.aufs" || name == ".wh..wh.plnk" || name == ".wh..wh.orph";
        if (is_aufs_note) return true;
        std::string_view hidden = name.substr(whiteout_prefix.size());
        if (!is_path_component(hidden) || hidden.starts_with(whiteout_prefix))
            fail(path.bytes(), "a whiteout of no name");
        removed_.insert(path.parent().child(hidden));
        return true;
    }

    // As take_marker(), for a marker that is longer than a file's name can be.
    bool take_long_marker(const TarEntry& found) {
        const std::size_t size = found.name.size() - (found.name.rfind('/') + 1);
        if (size <= ImagePath::max_component_bytes && found.name.size() <= ImagePath::max_bytes) return false;
        const std::optional<std::string> target = whiteout_target(found.name);
        if (!target) return false;
        if (found.is_hard_link || !found.entry.is_file()) fail(found.name, "a deletion is marked by a plain file");
        const ImagePath path = place(*target);
        if (path.name().starts_with(whiteout_prefix)) fail(found.name, "a whiteout of no name");
        removed_.insert(path);
        return true;
    }

    TreeDelta finish() {
        for (const ImagePath& path : opaque_) hide_lower(path);
        for (const ImagePath& path : removed_) {
            auto at_or_below = entries_.lower_bound(path);
            bool covered =
                at_or_below != entries_.end() && (at_or_below->first == path || at_or_below->first.is_below(path));
            if (covered) hide_lower(path);
        }
        std::vector<Change> changes;
        std::map<std::uint64_t, LinkGroup> sets;
        for (auto& [path, put] : entries_) {
            ChangeKind kind = hiding_.contains(path) && put.entry.is_directory() ? ChangeKind::empty : ChangeKind::put;
            if (put.entry.is_file()) sets[put.set].push_back(path);
            changes.push_back({path, kind, std::move(put.entry)});
        }
        for (const ImagePath& path : removed_)
            if (!entries_.contains(path) && !is_hidden(path)) changes.push_back({path, ChangeKind::remove, {}});
        std::vector<LinkGroup> links;
        for (auto& [set, group] : sets)
            if (group.size() > 1) links.push_back(std::move(group));
        return TreeDelta::build(std::move(changes), std::move(links));
    }

  private:
    struct Put {
        Entry entry;
        std::uint64_t set = 0;  // files with the same number are one file
    };

    [[noreturn]] void fail(std::string_view name, std::string_view reason) const {
        throw Error(ErrorKind::invalid_input, fmt::format("{}: {}: {}", what_, printable(name), reason));
    }

    std::optional<Entry> look_up(const ImagePath& path) const {
        auto found = entries_.find(path);
        return found != entries_.end() ? std::optional(found->second.entry) : below_.find(path);
    }

    ImagePath resolve(const ImagePath& path, std::string_view name) const {
        ImagePath here;
        std::vector<std::string> left;
        auto push = [&](std::string_view text) {
            auto parts = split(text, '/');
            for (auto part = parts.rbegin(); part != parts.rend(); ++part) left.emplace_back(*part);
        };
        push(path.bytes());
        for (int links = 0; !left.empty();) {
            std::string part = std::move(left.back());
            left.pop_back();
            if (part.empty() || part == ".") continue;
            if (part == "..") {
                here = here.parent();
                continue;
            }
            ImagePath next = here.child(part);
            std::optional<Entry> entry = look_up(next);
            if (entry && entry->kind == EntryKind::symlink) {
                if (++links > max_parent_links) fail(name, "too many levels of symbolic links");
                if (entry->link_target.starts_with('/')) here = ImagePath();
                push(entry->link_target);
                continue;
            }
            if (entry && !entry->is_directory()) fail(name, "lies below something that is not a directory");
            here = std::move(next);
        }
        return here;
    }

    // What stood at `path` in this layer goes, with all below it unless a directory stays one.
    void clear_place(const ImagePath& path, bool stays_directory) {
        if (stays_directory) return;
        for (auto below = entries_.upper_bound(path); below != entries_.end() && below->first.is_below(path);)
            below = entries_.erase(below);
    }

    // Lower layers must not show below `path` although this layer puts something there.
    void hide_lower(const ImagePath& path) {
        if (!entries_.contains(path)) {
            std::optional<Entry> lower = removed_.contains(path) ? std::nullopt : below_.find(path);
            entries_[path] = Put{lower && lower->is_directory() ? *lower : implied_directory(), next_set_++};
        }
        hiding_.insert(path);
    }

    bool is_hidden(const ImagePath& path) const {
        for (ImagePath above = path.parent();; above = above.parent()) {
            auto put = entries_.find(above);
            if (put != entries_.end() && !put->second.entry.is_directory()) return true;
            if (removed_.contains(above) || hiding_.contains(above)) return true;
            if (above.is_root()) return false;
        }
    }

    const Tree& below_;
    std::string what_;
    std::map<ImagePath, Put> entries_;
    std::set<ImagePath> removed_, opaque_, hiding_;
    std::uint64_t next_set_ = 0;
};

Digest hash_file(TarReader& tar, std::string_view name, const FileBytes& on_file) {
    StreamBlock block;
    Sha256 hash;
    while (std::size_t count = tar.read(block.bytes())) {
        std::span<const std::byte> bytes = block.bytes().first(count);
        hash.update(bytes);
        if (on_file) on_file(name, bytes, nullptr);
    }
    const Digest content = hash.finish();
    if (on_file) on_file(name, {}, &content);
    return content;
}

}  // namespace

LayerEntries read_layer_entries(ByteReader& tar, const std::string& what, const FileBytes& on_file) {
    TarReader reader(tar, what);
    LayerEntries entries;
    while (auto found = reader.next()) {
        if (found->entry.is_file() && !found->is_hard_link)
            found->entry.content = hash_file(reader, found->name, on_file);
        entries.push_back(*std::move(found));
    }
    // The diff ID covers what stands behind the end marker as well.
    drain(tar);
    return entries;
}

TreeDelta make_layer(LayerEntries entries, const Tree& below, const std::string& what) {
    LayerBuilder builder(below, what);
    // Each goes when it is used: of a layer with millions both lists would not fit.
    for (; !entries.empty(); entries.pop_front()) {
        TarEntry& found = entries.front();
        if (builder.take_long_marker(found)) continue;
        ImagePath path = builder.place(found.name);
        if (builder.take_marker(path, found)) continue;
        if (found.is_hard_link)
            builder.add_hard_link(path, found.link_name);
        else
            builder.add(path, std::move(found.entry));
    }
    return builder.finish();
}

TreeDelta read_layer(ByteReader& tar, const Tree& below, const std::string& what, const FileBytes& on_file) {
    return make_layer(read_layer_entries(tar, what, on_file), below, what);
}

void check_packable(const Change& change) {
    if (change.path.name().starts_with(whiteout_prefix))
        throw Error(ErrorKind::unsupported,
                    fmt::format("pack: {}: names that begin with \".wh.\" mark deletions in layers",
                                printable(change.path.bytes())),
                    "rename the file");
}

std::string layer_header(const TreeDelta& delta, const LinkTargets& targets, const Change& change) {
    if (change.kind == ChangeKind::remove) return tar_whiteout(change.path);
    check_packable(change);
    if (auto target = targets.find(&change - delta.changes().data()); target != targets.end())
        return tar_link_header(change.path, change.entry, target->second);
    std::string header = tar_header(change.path, change.entry);
    if (change.kind == ChangeKind::empty) header += tar_opaque_marker(change.path);
    return header;
}

LinkTargets link_targets(const TreeDelta& delta) {
    LinkTargets targets;
    for (const LinkGroup& group : delta.links())
        for (std::size_t i = 1; i < group.size(); ++i)
            targets.emplace(delta.find(group[i]) - delta.changes().data(), group.front());
    return targets;
}

bool has_data(const LinkTargets& targets, const TreeDelta& delta, const Change& change) {
    return change.kind == ChangeKind::put && change.entry.is_file() && change.entry.size > 0 &&
           !targets.contains(&change - delta.changes().data());
}

void write_layer(const TreeDelta& delta, ContentSources& contents, ByteWriter& out) {
    static const std::string zeros(tar_block, '\0');
    LinkTargets targets = link_targets(delta);
    for (const Change& change : delta.changes()) {
        out.write(as_bytes(layer_header(delta, targets, change)));
        if (!has_data(targets, delta, change)) continue;
        auto reader = contents.require(change.entry.content, change.entry.size, change.path.bytes());
        copy_all(*reader, out);
        out.write(as_bytes(std::string_view(zeros).substr(0, tar_padding(change.entry.size))));
    }
    out.write(as_bytes(tar_end()));
}

}  // namespace imgbuild::layerstore
