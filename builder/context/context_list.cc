// SPDX-License-Identifier: Apache-2.0
#include "builder/context/context_list.h"

#include <algorithm>

#include "base/cancel.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::builder {
namespace {

using layerstore::EntryKind;
using layerstore::kind_of;

class Lister {
  public:
    explicit Lister(const parser::IgnoreRules& ignore) : ignore_(ignore) {}

    void list(const Directory& folder, const std::string& prefix, const parser::IgnoreState& state) {
        throw_if_cancelled();
        std::vector<std::string> names = folder.list();
        std::ranges::sort(names);
        for (const std::string& name : names) visit(folder, name, prefix + name, state);
    }
    std::vector<ListedPath> take() { return std::move(found_); }

  private:
    void visit(const Directory& folder, const std::string& name, const std::string& path,
               const parser::IgnoreState& parent) {
        const auto status = folder.status(ImagePath().child(name));
        if (!status) return;  // gone meanwhile
        parser::IgnoreState state;
        const parser::IgnoreVerdict verdict = ignore_.match(path, parent, &state);
        const EntryKind kind = kind_of(status->st_mode);
        const std::size_t place = found_.size();
        found_.push_back({path, kind, kind == EntryKind::file ? static_cast<std::uint64_t>(status->st_size) : 0,
                          verdict.ignored ? verdict.line : 0});
        if (kind != EntryKind::directory || (verdict.ignored && !ignore_.may_reinclude_below(path))) return;
        list(folder.open_directory(ImagePath().child(name), FollowLinks::never), path + "/", state);
        if (!verdict.ignored) return;
        const auto below = found_.begin() + static_cast<std::ptrdiff_t>(place) + 1;
        if (std::any_of(below, found_.end(), [](const ListedPath& found) { return found.is_included(); }))
            found_[place].rule_line = 0;
        else
            found_.erase(below, found_.end());
    }

    const parser::IgnoreRules& ignore_;
    std::vector<ListedPath> found_;
};

}  // namespace

std::vector<ListedPath> list_context(const Directory& root, const parser::IgnoreRules& ignore) {
    Lister lister(ignore);
    lister.list(root, "", {});
    return lister.take();
}

}  // namespace imgbuild::builder
