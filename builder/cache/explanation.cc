// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

using layerstore::Change;
using layerstore::ChangeKind;
using Parts = std::vector<std::pair<std::string, std::string>>;

constexpr std::size_t looked_at = 64;  // of the steps that the store remembers, the newest

struct Label {
    std::string_view name;
    std::string_view cause;
};
// What is not here is called by its label.
constexpr std::array named_causes{
    Label{"argument", "the command changed"},
    Label{"script", "the interpreter of the script changed"},
    Label{"script content", "the script changed"},
    Label{"source", "the sources changed"},
    Label{"source files", "files of the source changed"},
    Label{"inline file", "the heredocs are others"},
    Label{"inline content", "the text of a heredoc changed"},
    Label{"network", "--network changed"},
    Label{"security", "--security changed"},
    Label{"chown", "--chown changed"},
    Label{"chmod", "--chmod changed"},
    Label{"link", "--link changed"},
    Label{"parents", "--parents changed"},
    Label{"exclude", "--exclude changed"},
    Label{"added host", "--add-host changed"},
    Label{"added address", "--add-host changed"},
    Label{"shm size", "--shm-size changed"},
    Label{"limit", "--ulimit changed"},
};

// What makes a step this one, and where it stands: a step with both otherwise is another.
bool is_what(std::string_view label) {
    return label == "argument" || label == "script content" || label == "source" || label == "inline file" ||
           label == "destination" || label == "path";
}
bool is_where(std::string_view label) { return label == "root"; }

std::map<std::string, std::vector<std::string>> by_label(const Parts& parts) {
    std::map<std::string, std::vector<std::string>> values;
    for (const auto& [label, value] : parts) values[label].push_back(value);
    return values;
}

bool is_variable(std::string_view label) { return label == "environment" || label == "build argument"; }
bool is_of_mount(std::string_view label) { return label.starts_with("mount"); }

/// Variables and mounts by what people call them: "build argument VERSION", "the mount at /src".
using Named = std::map<std::string, std::string>;

Named variables_of(const Parts& parts) {
    Named variables;
    for (const auto& [label, value] : parts)
        if (is_variable(label))
            variables[fmt::format("{} {}", label, printable(value.substr(0, value.find('='))))] = value;
    return variables;
}

struct MountParts {
    std::string settings;  // all but what is below
    std::string files;     // what it shows
    friend bool operator==(const MountParts&, const MountParts&) = default;
};

// A mount's parts begin with "mount", and its place is the second.
std::map<std::string, MountParts> mounts_of(const Parts& parts) {
    std::map<std::string, MountParts> mounts;
    MountParts* mount = nullptr;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto& [label, value] = parts[i];
        if (!is_of_mount(label)) continue;
        if (label == "mount") {
            const std::string place = i + 1 < parts.size() ? parts[i + 1].second : "";
            mount = &mounts[place.empty() ? fmt::format("the {} mount", printable(value))
                                          : fmt::format("the mount at {}", printable(place))];
        }
        if (!mount) continue;
        if (label == "mount files")
            mount->files = value;
        else
            mount->settings += WireWriter().text(label).text(value).bytes();
    }
    return mounts;
}

/// A line for each name that only one of two has, or whose values differ: `say` tells how.
template <class Value, class Say>
void compare(const std::map<std::string, Value>& before, const std::map<std::string, Value>& after,
             std::vector<std::string>& lines, Say say) {
    for (const auto& [name, value] : after) {
        const auto old = before.find(name);
        if (old == before.end())
            lines.push_back(name + " is new");
        else if (!(old->second == value))
            lines.push_back(say(name, old->second, value));
    }
    for (const auto& [name, value] : before)
        if (!after.contains(name)) lines.push_back(name + " is gone");
}

Parts sorted(Parts parts) {
    std::ranges::sort(parts);
    return parts;
}

std::size_t equal_parts(const Parts& sorted_a, const Parts& sorted_b) {
    Parts both;
    std::ranges::set_intersection(sorted_a, sorted_b, std::back_inserter(both));
    return both.size();
}

/// One key beside an earlier one.
class Comparison {
  public:
    Comparison(const Parts& before, const Parts& after) : before_(before), after_(after) {
        const auto old_values = by_label(before);
        const auto new_values = by_label(after);
        auto values_of = [](const auto& values, const std::string& label) {
            const auto found = values.find(label);
            return found == values.end() ? std::vector<std::string>() : found->second;
        };
        // In the order of the keys, each label once.
        for (const Parts* parts : {&after, &before})
            for (const auto& [label, value] : *parts)
                if (std::ranges::count(labels_, label) == 0 &&
                    values_of(old_values, label) != values_of(new_values, label))
                    labels_.push_back(label);
    }

    bool has_the_same_work() const { return std::ranges::none_of(labels_, is_what); }
    bool is_about_the_same() const { return has_the_same_work() || std::ranges::none_of(labels_, is_where); }

    std::vector<std::string> texts(std::string_view below) const {
        std::vector<std::string> all;
        bool has_variables = false, has_mounts = false;
        for (const std::string& label : labels_) {
            if (is_variable(label) && !std::exchange(has_variables, true))
                add_variables(all);
            else if (is_of_mount(label) && !std::exchange(has_mounts, true))
                add_mounts(all);
            else if (!is_variable(label) && !is_of_mount(label))
                add_once(all, text_of(label, below));
        }
        return all;
    }

  private:
    static std::string text_of(const std::string& label, std::string_view below) {
        if (is_where(label)) return fmt::format("{} changed", below);
        const auto known = std::ranges::find(named_causes, label, &Label::name);
        return known == named_causes.end() ? fmt::format("{} changed", label) : std::string(known->cause);
    }

    // One flag may have several parts.
    static void add_once(std::vector<std::string>& lines, std::string text) {
        if (std::ranges::find(lines, text) == lines.end()) lines.push_back(std::move(text));
    }

    void add_variables(std::vector<std::string>& lines) const {
        const std::size_t known = lines.size();
        compare(variables_of(before_), variables_of(after_), lines,
                [](const std::string& name, const std::string&, const std::string&) { return name + " changed"; });
        if (lines.size() == known) lines.emplace_back("the order of the environment changed");
    }

    void add_mounts(std::vector<std::string>& lines) const {
        const std::size_t known = lines.size();
        compare(mounts_of(before_), mounts_of(after_), lines,
                [](const std::string& name, const MountParts& before, const MountParts& after) {
                    return before.settings == after.settings ? "files of " + name + " changed" : name + " changed";
                });
        if (lines.size() == known) lines.emplace_back("the order of the mounts changed");
    }

    const Parts& before_;
    const Parts& after_;
    std::vector<std::string> labels_;  // that differ
};

std::optional<Parts> parts_of(std::string_view preimage) {
    try {
        return StepKey::read_preimage(preimage);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt) throw;
        return std::nullopt;
    }
}

std::optional<DeltaId> delta_of(std::string_view value) {
    try {
        WireReader reader(value, "memo");
        return DeltaId{reader.digest()};
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt) throw;
        return std::nullopt;
    }
}

/// The most similar of the steps that it is shown, for one key.
class NearestStep {
  public:
    NearestStep(std::string_view preimage, std::string_view below)
        : parts_(StepKey::read_preimage(preimage)), sorted_parts_(sorted(parts_)), below_(below) {}

    /// How the preimages of steps of this kind begin.
    std::string prefix() const { return StepKey(parts_.front().second).preimage(); }

    /// `foreign_delta` is empty for a step of the store.
    void consider(std::string_view preimage, const DeltaId& delta, std::string_view foreign_delta) {
        const std::optional<Parts> earlier = parts_of(preimage);
        if (!earlier) return;
        const Comparison comparison(*earlier, parts_);
        // A step that does the same elsewhere is nearer than one that does something else here.
        const std::pair nearness{comparison.has_the_same_work(), equal_parts(sorted(*earlier), sorted_parts_)};
        if (nearness <= nearness_ || !comparison.is_about_the_same()) return;
        nearness_ = nearness;
        best_ = EarlierStep{comparison.texts(below_), delta, std::string(foreign_delta)};
    }

    bool is_nearer_than(const NearestStep& other) const { return nearness_ > other.nearness_; }
    std::optional<EarlierStep> take() { return std::move(best_); }

  private:
    Parts parts_;
    Parts sorted_parts_;
    std::string_view below_;
    std::optional<EarlierStep> best_;
    std::pair<bool, std::size_t> nearness_{false, 0};
};

std::string difference(const Change* before, const Change* after) {
    auto is_there = [](const Change* change) { return change && change->kind != ChangeKind::remove; };
    if (!is_there(before)) return "added";
    if (!is_there(after)) return "removed";
    const layerstore::Entry &old_entry = before->entry, &new_entry = after->entry;
    if (old_entry.kind != new_entry.kind) return "kind";
    if (old_entry.content != new_entry.content || old_entry.size != new_entry.size ||
        old_entry.link_target != new_entry.link_target)
        return "content";
    if (old_entry.mode != new_entry.mode) return "mode";
    if (old_entry.uid != new_entry.uid || old_entry.gid != new_entry.gid) return "owner";
    return layerstore::same_xattrs(old_entry.xattrs, new_entry.xattrs) ? "" : "attributes";
}

}  // namespace

std::optional<EarlierStep> most_similar_step(layerstore::Records& records, layerstore::MemoKind kind,
                                             const StepKey& key, std::string_view below,
                                             const std::function<bool(const std::string&)>& is_of_this_build,
                                             const ForeignSteps& elsewhere) {
    NearestStep nearest(key.preimage(), below);
    for (const layerstore::Memo& memo : records.recent_memos(kind, nearest.prefix(), looked_at)) {
        if (memo.preimage != key.preimage() && is_of_this_build(memo.preimage)) continue;
        if (const auto delta = delta_of(memo.value)) nearest.consider(memo.preimage, *delta, {});
    }
    if (elsewhere.steps.empty()) return nearest.take();
    NearestStep foreign(elsewhere.own_preimage, below);
    for (const ForeignSteps::Step& step : elsewhere.steps)
        foreign.consider(step.preimage, DeltaId{Sha256::of(step.delta)}, step.delta);
    return foreign.is_nearer_than(nearest) ? foreign.take() : nearest.take();
}

std::optional<layerstore::TreeDelta> result_of(const EarlierStep& step, layerstore::Records& records) {
    if (step.foreign_delta.empty()) return records.load_delta(step.delta);
    try {
        return layerstore::TreeDelta::decode(step.foreign_delta);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::invalid_input) throw;
        return std::nullopt;
    }
}

std::vector<std::string> differing_paths(const layerstore::TreeDelta& before, const layerstore::TreeDelta& after,
                                         std::size_t limit) {
    std::vector<std::string> lines;
    std::size_t more = 0;
    auto note = [&](const Change* old_change, const Change* new_change) {
        const std::string what = difference(old_change, new_change);
        if (what.empty()) return;
        if (lines.size() == limit) {
            ++more;
            return;
        }
        const std::string path = printable((new_change ? new_change : old_change)->path.absolute());
        const bool is_whole = what == "added" || what == "removed";
        lines.push_back(is_whole ? fmt::format("{} {}", what, path) : fmt::format("changed {} ({})", path, what));
    };
    auto old_change = before.changes().begin();
    auto new_change = after.changes().begin();
    while (old_change != before.changes().end() || new_change != after.changes().end()) {
        const bool has_old = old_change != before.changes().end();
        const bool has_new = new_change != after.changes().end();
        if (has_old && (!has_new || old_change->path < new_change->path))
            note(&*old_change++, nullptr);
        else if (has_new && (!has_old || new_change->path < old_change->path))
            note(nullptr, &*new_change++);
        else
            note(&*old_change++, &*new_change++);
    }
    if (more > 0) lines.push_back(fmt::format("and {} more", more));
    return lines;
}

}  // namespace imgbuild::builder
