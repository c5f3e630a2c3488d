// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/first_seen.h"

#include <doctest/doctest.h>

#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using layerstore::Change;
using layerstore::ChangeKind;
using layerstore::FileTime;
using layerstore::Tree;

namespace {

Change file(std::string_view path, std::string_view bytes, std::uint16_t mode = 0644) {
    layerstore::Entry entry;
    entry.mode = mode;
    entry.size = bytes.size();
    entry.content = Sha256::of(bytes);
    entry.mtime = layerstore::default_file_time;
    return {ImagePath::clean(path), ChangeKind::put, entry};
}

Tree tree_of(std::vector<Change> changes, std::vector<layerstore::LinkGroup> links = {}) {
    return layerstore::apply(Tree(), layerstore::TreeDelta::build(std::move(changes), std::move(links)));
}

FileTime time_at(const Tree& tree, std::string_view path) { return tree.find(ImagePath::clean(path))->mtime; }

constexpr FileTime early{1000, 0}, late{2000, 0};

}  // namespace

TEST_CASE("first seen: what stays the same keeps its time, what changed has a later one") {
    const Tree first =
        with_first_seen_times(tree_of({file("d/a", "1"), file("d/b", "1"), file("e/c", "1")}), Tree(), early);
    CHECK(time_at(first, "d/a") == early);
    const Tree second = with_first_seen_times(
        tree_of({file("d/a", "1"), file("d/b", "2"), file("e/c", "1"), file("n", "1")}), first, late);
    CHECK(time_at(second, "d/a") == early);
    CHECK(time_at(second, "d/b") == late);
    CHECK(time_at(second, "e/c") == early);
    CHECK(time_at(second, "n") == late);
}

TEST_CASE("first seen: going back to an older content gives a new time, even where the clock was set back") {
    const Tree first = with_first_seen_times(tree_of({file("a", "1")}), Tree(), late);
    const Tree second = with_first_seen_times(tree_of({file("a", "2")}), first, early);
    CHECK(time_at(second, "a") == FileTime{2000, 1});
    const Tree third = with_first_seen_times(tree_of({file("a", "1")}), second, early);
    CHECK(time_at(third, "a") == FileTime{2000, 2});
}

TEST_CASE("first seen: a changed mode is a change, and times are no content") {
    const Tree fresh = tree_of({file("a", "1")});
    const Tree first = with_first_seen_times(fresh, Tree(), early);
    CHECK(first.content_id() == fresh.content_id());
    CHECK(time_at(with_first_seen_times(tree_of({file("a", "1", 0755)}), first, late), "a") == late);
}

TEST_CASE("first seen: the names of a hard-linked file have one time") {
    const auto linked = [] {
        return tree_of({file("a", "1"), file("d/b", "1"), file("e/c", "1")},
                       {{ImagePath::clean("a"), ImagePath::clean("d/b")}});
    };
    const Tree first = with_first_seen_times(linked(), Tree(), early);
    const Tree second = with_first_seen_times(linked(), first, late);
    CHECK(time_at(second, "a") == time_at(second, "d/b"));
    CHECK(time_at(second, "e/c") == early);
    CHECK(second.links().size() == 1);
}
