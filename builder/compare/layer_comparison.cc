// SPDX-License-Identifier: Apache-2.0
#include "builder/compare/layer_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "builder/compare/detail/entry_findings.h"
#include "builder/remote/spooled_files.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::Change;
using layerstore::ChangeKind;
using layerstore::LinkGroup;
using layerstore::Tree;
using layerstore::TreeDelta;
using Presence = EntryState::Presence;

struct StackEntry {
    EntryState state;
    const LinkGroup* links = nullptr;
};
using StackEntries = std::map<ImagePath, StackEntry>;

/// The last word of a stack on every path that it touches.
class StackReader {
  public:
    explicit StackReader(const Tree* below) : below_(below) {}

    void add(const TreeDelta& delta, std::size_t layer) {
        for (const Change& change : delta.changes()) {
            const bool stays_directory = change.kind == ChangeKind::put && change.entry.is_directory();
            if (!stays_directory) hide_below(change.path, layer);
            const bool is_gone = change.kind == ChangeKind::remove;
            entries_[change.path] = {{is_gone ? Presence::absent : Presence::present, change.entry, layer}, nullptr};
        }
        for (const LinkGroup& group : delta.links())
            for (const ImagePath& path : group) entries_[path].links = &group;
    }
    StackEntries take() { return std::move(entries_); }

  private:
    void hide_below(const ImagePath& directory, std::size_t layer) {
        for (auto entry = entries_.upper_bound(directory); entry != entries_.end() && entry->first.is_below(directory);
             ++entry)
            entry->second = {{Presence::absent, {}, layer}, nullptr};
        if (!below_ || !below_->directory(directory)) return;
        layerstore::select(*below_, directory).walk([&](const ImagePath& path, const layerstore::Child&) {
            entries_[directory.join(path)] = {{Presence::absent, {}, layer}, nullptr};
            return true;
        });
    }

    const Tree* below_;
    StackEntries entries_;
};

StackEntries entries_of(std::vector<ComparedLayer>& layers, const Tree* below) {
    StackReader reader(below);
    for (std::size_t i = 0; i < layers.size(); ++i) {
        ComparedLayer& layer = layers[i];
        if (!layer.delta) {
            const auto tar = layer.open();
            layer.delta = std::make_shared<const TreeDelta>(read_layer_alone(*tar, layer.what));
        }
        reader.add(*layer.delta, i);
    }
    return reader.take();
}

EntryState state_below(const ImagePath& path, const Tree* below) {
    if (!below) return {};
    const auto entry = path.is_root() ? std::optional(below->root_entry()) : below->find(path);
    return entry ? EntryState{Presence::present, *entry, std::nullopt} : EntryState{Presence::absent, {}, std::nullopt};
}

bool same_links(const StackEntry* before, const StackEntry* after) {
    if (!before || !after) return true;
    return before->links && after->links ? *before->links == *after->links : !before->links && !after->links;
}

bool has_other_bytes(const FileDifference& difference) {
    const auto& [path, before, after, findings] = difference;
    return before.is_present() && after.is_present() && before.entry.is_file() && after.entry.is_file() &&
           (before.entry.size != after.entry.size || before.entry.content != after.entry.content);
}

/// Walks what both stacks touch.
class StackComparison {
  public:
    StackComparison(const StackEntries& before, const StackEntries& after, const ComparisonOptions& options)
        : before_(before), after_(after), options_(options) {}

    std::vector<FileDifference> run() {
        auto before = before_.begin();
        auto after = after_.begin();
        while (before != before_.end() || after != after_.end()) {
            const bool takes_before =
                after == after_.end() || (before != before_.end() && before->first <= after->first);
            const bool takes_after =
                before == before_.end() || (after != after_.end() && after->first <= before->first);
            const ImagePath& path = takes_before ? before->first : after->first;
            const bool is_way = (takes_before != takes_after) &&
                                (takes_before ? is_only_way(before_, before) : is_only_way(after_, after));
            if (!is_way)
                compare(path, takes_before ? &before->second : nullptr, takes_after ? &after->second : nullptr);
            if (takes_before) ++before;
            if (takes_after) ++after;
        }
        return std::move(list_);
    }

  private:
    // Layers hold the directories above what they put. Where it is not known what lies below, such a one says nothing.
    bool is_only_way(const StackEntries& entries, StackEntries::const_iterator entry) const {
        if (options_.below || !entry->second.state.is_present() || !entry->second.state.entry.is_directory())
            return false;
        const auto next = std::next(entry);
        return next != entries.end() && next->first.is_below(entry->first);
    }

    void compare(const ImagePath& path, const StackEntry* before, const StackEntry* after) {
        FileDifference difference{path,
                                  before ? before->state : state_below(path, options_.below),
                                  after ? after->state : state_below(path, options_.below),
                                  {}};
        difference.findings.list = detail::entry_findings(difference, options_.with_times);
        if (difference.findings.list.empty() && difference.before.is_present() && difference.after.is_present() &&
            !same_links(before, after))
            difference.findings.list.push_back({DifferenceKind::hard_links, "", "", ""});
        if (!difference.findings.list.empty() || has_other_bytes(difference)) list_.push_back(std::move(difference));
    }

    const StackEntries& before_;
    const StackEntries& after_;
    const ComparisonOptions& options_;
    std::vector<FileDifference> list_;
};

using WantedFiles = std::map<std::size_t, std::set<ImagePath>>;  // by layer

/// The bytes of the files of one stack that differ, by digest.
class FilesOfStack {
  public:
    FilesOfStack(const std::vector<ComparedLayer>& layers, const Directory& scratch)
        : layers_(layers), files_(std::make_shared<SpooledFiles>(scratch, "layer")) {}

    void extract(const WantedFiles& wanted) {
        for (const auto& [layer, paths] : wanted) {
            try {
                extract(layers_[layer], paths);
            } catch (const Error& error) {
                // Nothing interrupts a comparison but who asked for it: what cannot be read is not explained.
                if (error.kind() == ErrorKind::interrupted) throw;
            }
        }
    }

    /// Empty where the bytes could not be had.
    std::optional<FileVersion> find(const layerstore::Entry& entry) const {
        if (entry.size == 0) return FileVersion{0, [] { return std::make_unique<MemoryReader>(std::string_view()); }};
        if (!files_->open(entry.content, entry.size)) return std::nullopt;
        return FileVersion{entry.size, [files = files_, entry] { return files->open(entry.content, entry.size); }};
    }

  private:
    void extract(const ComparedLayer& layer, const std::set<ImagePath>& paths) {
        const auto tar = layer.open();
        std::string_view current;
        bool is_wanted = false;
        layerstore::read_layer_entries(
            *tar, layer.what, [&](std::string_view name, std::span<const std::byte> bytes, const Digest* digest) {
                if (current.empty() || digest) is_wanted = wants(name, paths);
                current = digest ? std::string_view() : name;
                if (!is_wanted) return;
                if (digest) return files_->end_file(*digest);
                if (extracted_ + bytes.size() > max_extracted_bytes)
                    throw Error(ErrorKind::no_space, layer.what + ": more bytes differ than are looked into");
                extracted_ += bytes.size();
                files_->append(bytes);
            });
    }

    static bool wants(std::string_view name, const std::set<ImagePath>& paths) {
        const auto path = ImagePath::parse_strict(name);
        return path && paths.contains(*path);
    }

    const std::vector<ComparedLayer>& layers_;
    std::shared_ptr<SpooledFiles> files_;
    std::uint64_t extracted_ = 0;
};

std::string short_content(const layerstore::Entry& entry) {
    return fmt::format("{}, sha256:{}…", human_size(entry.size), entry.content.hex().substr(0, 12));
}

void look_inside(std::vector<FileDifference>& list, const std::vector<ComparedLayer>& before,
                 const std::vector<ComparedLayer>& after, const Directory& scratch, const ComparisonOptions& options) {
    WantedFiles wanted_before, wanted_after;
    std::size_t count = 0;
    for (const FileDifference& difference : list) {
        if (!has_other_bytes(difference) || !difference.before.layer || !difference.after.layer) continue;
        if (!options.looks_inside || ++count > max_inspected_files) break;
        wanted_before[*difference.before.layer].insert(difference.path);
        wanted_after[*difference.after.layer].insert(difference.path);
    }
    FilesOfStack first(before, scratch), second(after, scratch);
    first.extract(wanted_before);
    second.extract(wanted_after);
    count = 0;
    for (FileDifference& difference : list) {
        if (!has_other_bytes(difference)) continue;
        const auto& [path, old, fresh, findings] = difference;
        const auto a = first.find(old.entry);
        const auto b = second.find(fresh.entry);
        if (!options.looks_inside || ++count > max_inspected_files || !a || !b) {
            difference.findings.list.push_back(
                {DifferenceKind::content, "", short_content(old.entry), short_content(fresh.entry)});
            continue;
        }
        FileFindings inside = compare_files(path.absolute(), *a, *b, options.surroundings);
        difference.findings.left_out = inside.left_out;
        std::ranges::move(inside.list, std::back_inserter(difference.findings.list));
    }
}

}  // namespace

layerstore::TreeDelta read_layer_alone(ByteReader& tar, const std::string& what) {
    layerstore::LayerEntries entries = layerstore::read_layer_entries(tar, what);
    std::set<ImagePath> own;
    std::vector<Change> stubs;
    std::set<ImagePath> stubbed;
    for (const layerstore::TarEntry& entry : entries)
        if (const auto path = ImagePath::parse_strict(entry.name)) own.insert(*path);
    for (const layerstore::TarEntry& entry : entries) {
        const auto target = entry.is_hard_link ? ImagePath::parse_strict(entry.link_name) : std::nullopt;
        if (target && !own.contains(*target) && stubbed.insert(*target).second)
            stubs.push_back({*target, ChangeKind::put, layerstore::Entry{}});
    }
    const Tree below = layerstore::apply(Tree(), TreeDelta::build(std::move(stubs)));
    return layerstore::make_layer(std::move(entries), below, what);
}

std::vector<FileDifference> compare_stacks(std::vector<ComparedLayer>& before, std::vector<ComparedLayer>& after,
                                           const Directory& scratch, const ComparisonOptions& options) {
    const StackEntries first = entries_of(before, options.below);
    const StackEntries second = entries_of(after, options.below);
    std::vector<FileDifference> list = StackComparison(first, second, options).run();
    look_inside(list, before, after, scratch, options);
    return list;
}

}  // namespace imgbuild::builder
