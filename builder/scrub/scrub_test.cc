// SPDX-License-Identifier: Apache-2.0
#include "builder/scrub/scrub.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;

namespace {

ImagePath at(std::string_view path) { return ImagePath::clean(path); }

Change put(std::string_view path, std::string_view content = "x") {
    Entry file;
    file.size = content.size();
    file.content = Sha256::of(content);
    return {at(path), ChangeKind::put, file};
}

Change put_other(std::string_view path, EntryKind kind) {
    Entry entry;
    entry.kind = kind;
    entry.mode = 0755;
    entry.link_target = kind == EntryKind::symlink ? "/dev/stdout" : "";
    return {at(path), ChangeKind::put, entry};
}

std::string paths_of(const TreeDelta& delta) {
    std::string text;
    for (const Change& change : delta.changes()) text += change.path.absolute() + " ";
    return text;
}

std::string scrubbed(std::vector<Change> changes) {
    return paths_of(scrub(TreeDelta::build(std::move(changes))).delta);
}

}  // namespace

TEST_CASE("scrub: files that the table names go, and others stay") {
    CHECK(scrubbed({put("/var/log/dpkg.log"), put("/var/log/apt/term.log"), put("/var/logs"), put("/srv/var/log/x"),
                    put("/var/cache/ldconfig/aux-cache"), put("/var/cache/ldconfig/aux-cache2"), put("/etc/machine-id"),
                    put("/etc/machine-id.d")}) ==
          "/etc/machine-id.d /srv/var/log/x /var/cache/ldconfig/aux-cache2 /var/logs ");
}

TEST_CASE("scrub: directories, links, empty files and removals stay") {
    CHECK(scrubbed({put_other("/var/log/nginx", EntryKind::directory),
                    put("/var/log/nginx/empty.log", ""),
                    put_other("/var/log/nginx/access.log", EntryKind::symlink),
                    put("/var/log/nginx/error.log"),
                    {at("/var/log/old.log"), ChangeKind::remove, {}}}) ==
          "/var/log/nginx /var/log/nginx/access.log /var/log/nginx/empty.log /var/log/old.log ");
}

TEST_CASE("scrub: of a set of hard links the names that stay are one file still") {
    const TreeDelta delta = TreeDelta::build({put("/a"), put("/b"), put("/var/log/c"), put("/d"), put("/var/log/e")},
                                             {{at("/a"), at("/b"), at("/var/log/c")}, {at("/d"), at("/var/log/e")}});
    const Scrubbed left = scrub(delta);
    CHECK(left.files == 2);
    CHECK(paths_of(left.delta) == "/a /b /d ");
    REQUIRE(left.delta.links().size() == 1);
    CHECK(left.delta.links()[0] == LinkGroup{at("/a"), at("/b")});
}

TEST_CASE("scrub: each rule is one that the rules before it leave something to do, and says why") {
    std::set<std::string_view> seen;
    for (const ScrubRule& rule : scrub_rules()) {
        CAPTURE(rule.begins);
        CHECK(rule.begins.starts_with('/'));
        CHECK(!rule.why.empty());
        CHECK(!rule.kind.empty());
        std::string path(rule.begins);
        if (path.ends_with('/') || !rule.ends.empty()) path += "some";
        path += rule.ends;
        CHECK(scrub_rule_for(at(path)) == &rule);
    }
    CHECK(scrub_rule_for(at("/usr/bin/env")) == nullptr);
    CHECK(scrub_rule_for(ImagePath()) == nullptr);
}
