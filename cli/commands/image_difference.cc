// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/image_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "layerstore/tree/algebra.h"

namespace imgbuild::cli {
namespace {

using layerstore::Change;
using layerstore::ChangeKind;
using layerstore::Entry;
using layerstore::Tree;

std::string owner(const Entry& entry) { return fmt::format("{}:{}", entry.uid, entry.gid); }

std::vector<std::string> what_differs(const Entry& a, const Entry& b, bool with_times) {
    std::vector<std::string> what;
    if (a.kind != b.kind) what.emplace_back("kind");
    if (a.kind == b.kind && a.content != b.content) what.emplace_back("content");
    if (a.kind == b.kind && a.link_target != b.link_target) what.emplace_back("target");
    if (a.kind == b.kind && (a.device_major != b.device_major || a.device_minor != b.device_minor))
        what.emplace_back("device");
    if (a.mode != b.mode) what.push_back(fmt::format("mode {:04o} -> {:04o}", a.mode, b.mode));
    if (owner(a) != owner(b)) what.push_back(fmt::format("owner {} -> {}", owner(a), owner(b)));
    if (!layerstore::same_xattrs(a.xattrs, b.xattrs)) what.emplace_back("attributes");
    if (with_times && a.mtime != b.mtime) what.emplace_back("time");
    return what;
}

class FileComparison {
  public:
    FileComparison(const Tree& before, const Tree& after, bool with_times)
        : before_(before), after_(after), with_times_(with_times) {}

    std::vector<FileDifference> run() {
        const layerstore::TreeDelta delta = layerstore::difference(before_, after_);
        for (const Change& change : delta.changes()) {
            if (change.kind == ChangeKind::remove)
                remove(change.path);
            else
                put(change.path, change.entry);
        }
        std::sort(list_.begin(), list_.end(),
                  [](const FileDifference& a, const FileDifference& b) { return a.path < b.path; });
        return std::move(list_);
    }

  private:
    void put(const ImagePath& path, const Entry& entry) {
        const auto old = path.is_root() ? std::optional(before_.root_entry()) : before_.find(path);
        if (!old) {
            list_.push_back({path, FileDifference::Kind::added, 0, entry.size, {}});
            return;
        }
        if (old->is_directory() && !entry.is_directory()) remove_below(path);
        std::vector<std::string> what = what_differs(*old, entry, with_times_);
        if (what.empty() && !same_links(path)) what.emplace_back("hard links");
        if (!what.empty())
            list_.push_back({path, FileDifference::Kind::changed, old->size, entry.size, std::move(what)});
    }

    void remove(const ImagePath& path) {
        const auto old = before_.find(path);
        if (!old) return;
        list_.push_back({path, FileDifference::Kind::removed, old->size, 0, {}});
        if (old->is_directory()) remove_below(path);
    }

    void remove_below(const ImagePath& path) {
        layerstore::select(before_, path).walk([&](const ImagePath& below, const layerstore::Child& child) {
            list_.push_back({ImagePath::clean(path.bytes() + below.bytes()),
                             FileDifference::Kind::removed,
                             child.entry.size,
                             0,
                             {}});
            return true;
        });
    }

    bool same_links(const ImagePath& path) const {
        const layerstore::LinkGroup* a = before_.links_of(path);
        const layerstore::LinkGroup* b = after_.links_of(path);
        return a && b ? *a == *b : !a && !b;
    }

    const Tree& before_;
    const Tree& after_;
    bool with_times_;
    std::vector<FileDifference> list_;
};

// A document's members under one name each; those of "config" singly.
std::map<std::string, Json> members_of(const layerstore::Image& image) {
    const Json document = parse_json(image.config_bytes, "config");
    std::map<std::string, Json> members;
    for (const auto& [key, value] : document.items()) {
        if (key == "rootfs") continue;  // the files and the layers say it
        if (key != "config" || !value.is_object()) {
            members[key] = value;
            continue;
        }
        for (const auto& [inner, setting] : value.items()) members["config." + inner] = setting;
    }
    return members;
}

std::vector<ConfigDifference> compare_configs(const layerstore::Image& before, const layerstore::Image& after) {
    std::map<std::string, ConfigDifference> all;
    for (auto& [key, value] : members_of(before)) all[key].before = value;
    for (auto& [key, value] : members_of(after)) all[key].after = value;
    std::vector<ConfigDifference> list;
    for (auto& [key, difference] : all) {
        if (difference.before == difference.after) continue;
        difference.key = key;
        list.push_back(std::move(difference));
    }
    return list;
}

LayerDifference compare_layers(const layerstore::Image& before, const layerstore::Image& after) {
    auto layers_of = [](const layerstore::Image& image) {
        std::map<Digest, std::uint64_t> layers;
        for (std::size_t i = 0; i < image.manifest.layers.size(); ++i)
            layers.emplace(image.config.diff_ids.at(i).value, image.manifest.layers[i].size);
        return layers;
    };
    const auto a = layers_of(before);
    const auto b = layers_of(after);
    LayerDifference layers;
    for (const auto& [id, bytes] : a) {
        ++(b.contains(id) ? layers.shared : layers.only_before);
        (b.contains(id) ? layers.bytes_shared : layers.bytes_only_before) += bytes;
    }
    for (const auto& [id, bytes] : b) {
        if (a.contains(id)) continue;
        ++layers.only_after;
        layers.bytes_only_after += bytes;
    }
    return layers;
}

std::uint64_t bytes_of(const Tree& tree) {
    std::uint64_t bytes = 0;
    tree.walk([&](const ImagePath&, const layerstore::Child& child) {
        bytes += child.entry.size;
        return true;
    });
    return bytes;
}

}  // namespace

ImageDifference compare_images(const ComparedImage& before, const ComparedImage& after, bool with_times) {
    return {.files = FileComparison(before.tree, after.tree, with_times).run(),
            .config = compare_configs(before.image, after.image),
            .layers = compare_layers(before.image, after.image),
            .file_bytes_before = bytes_of(before.tree),
            .file_bytes_after = bytes_of(after.tree)};
}

}  // namespace imgbuild::cli
