// SPDX-License-Identifier: Apache-2.0
#include "builder/context/context_list.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/temporary_directory.h"
#include "base/text.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

struct Place {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    Directory root = Directory::create_host(scratch.path() + "/context");
    void file(const std::string& path, std::string_view bytes) const {
        const std::size_t slash = path.rfind('/');
        const Directory folder = slash == std::string::npos
                                     ? root.duplicate()
                                     : root.make_directory(ImagePath::clean(path.substr(0, slash)));
        write_file_atomically(folder, path.substr(slash == std::string::npos ? 0 : slash + 1), bytes, Durability::none);
    }
    // "path size" of what is in, "path -line" of what is out.
    std::string list(const std::string& rules) const {
        parser::Diagnostics diagnostics;
        const parser::Source source(".dockerignore", rules);
        const auto ignore = parser::IgnoreRules::parse(source, diagnostics);
        std::vector<std::string> lines;
        for (const ListedPath& path : list_context(root, ignore))
            lines.push_back(path.is_included() ? fmt::format("{} {}", path.path, path.size)
                                               : fmt::format("{} -{}", path.path, path.rule_line));
        return join(lines, ", ");
    }
};

}  // namespace

TEST_CASE("context list: every path has its size, or the line of the rule that leaves it out") {
    const Place place;
    place.file("a", "alpha");
    place.file("b.log", "xx");
    place.file("d/c", "");
    CHECK(place.list("") == "a 5, b.log 2, d 0, d/c 0");
    CHECK(place.list("# logs\n*.log\nd\n!a") == "a 5, b.log -2, d -3");
}

TEST_CASE("context list: a directory with something taken back is in the context") {
    const Place place;
    place.file("docs/a", "1");
    place.file("docs/README", "22");
    place.file("docs/sub/x", "1");
    CHECK(place.list("docs\n!docs/README") == "docs 0, docs/README 2, docs/a -1, docs/sub -1");
    CHECK(place.list("docs\n!docs/none") == "docs -1");
}

TEST_CASE("context list: a link is listed and not followed") {
    const Place place;
    place.file("d/a", "1");
    REQUIRE(::symlink("d", (place.root.name() + "/l").c_str()) == 0);
    CHECK(place.list("") == "d 0, d/a 1, l 0");
}
