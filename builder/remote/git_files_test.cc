// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/git_files.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/test_git.h"
#include "builder/remote/remote_fixture.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::builder::remote_test;
using imgbuild::test::commit_all;
using imgbuild::test::has_git;
using imgbuild::test::run_git;
using test::refusal;

namespace {

/// A repository on this machine, named by file://.
struct Repository {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    std::string folder = scratch.path() + "/work";
    std::string first, second;  ///< commits

    Repository() {
        std::filesystem::create_directory(folder);
        run_git({"init", "--quiet", "--initial-branch=main", "."}, folder);
        write("a", "alpha\n");
        write("sub/b", "beta\n");
        ::symlink("sub", (folder + "/link").c_str());
        first = commit_all("x", folder);
        write("a", "changed\n");
        second = commit_all("x", folder);
    }
    void write(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories(std::filesystem::path(folder + "/" + name).parent_path());
        std::ofstream(folder + "/" + name) << text;
    }
    parser::GitSource source(const std::string& reference = "", const std::string& directory = "") const {
        parser::GitSource made;
        made.remote = "file://" + folder;
        made.reference = reference;
        made.directory = directory;
        return made;
    }
    void remove() { std::filesystem::remove_all(folder + "/.git"); }
};

std::string text_of_path(const GitFiles& files, const std::string& path) {
    const auto entry = files.tree.find(ImagePath::clean(path));
    REQUIRE(entry);
    return read_all(*files.contents->open(entry->content, entry->size), 1000, path);
}

}  // namespace

TEST_CASE("git files: a commit is brought once, whatever name leads to it" * doctest::skip(!has_git())) {
    Repository repository;
    Place place;
    const GitFiles files = fetch_git_files(repository.source("main"), false, place.access);
    CHECK(files.commit == repository.second);
    CHECK(files.time == 1'700'000'000);
    CHECK_FALSE(files.cached);
    CHECK(paths_of(files.tree) == "a link sub/ sub/b");
    CHECK(text_of_path(files, "a") == "changed\n");
    const GitFiles again = fetch_git_files(repository.source(), false, place.access);
    CHECK(again.cached);
    CHECK(again.tree == files.tree);
    CHECK(text_of_path(again, "sub/b") == "beta\n");
    // A whole commit, and anything asked before when offline, needs no repository any more.
    repository.remove();
    CHECK(fetch_git_files(repository.source(repository.second), false, place.access).cached);
    CHECK(
        refusal([&] { fetch_git_files(repository.source("main"), false, place.access); }).starts_with("unavailable: "));
    place.access.offline = true;
    CHECK(fetch_git_files(repository.source("main"), false, place.access).cached);
    CHECK(refusal([&] { fetch_git_files(repository.source("v2"), false, place.access); }) ==
          "unavailable: git " + repository.source().remote + "#v2: was not fetched before");
    CHECK(refusal([&] {
              fetch_git_files(repository.source(repository.first), false, place.access);
          }).starts_with("unavailable: git "));
}

TEST_CASE("git files: a directory of the repository, and no link to one" * doctest::skip(!has_git())) {
    const Repository repository;
    Place place;
    CHECK(paths_of(fetch_git_files(repository.source("main", "sub"), false, place.access).tree) == "b");
    CHECK(refusal([&] { fetch_git_files(repository.source("main", "link"), false, place.access); }) ==
          "not_found: git " + repository.source().remote + ": link is no directory of commit " +
              repository.second.substr(0, 12));
    CHECK(refusal([&] { fetch_git_files(repository.source("main", "none"), false, place.access); }) ==
          "not_found: git " + repository.source().remote + ": none is not a path of commit " +
              repository.second.substr(0, 12));
}

TEST_CASE("git files: the commit begins with the checksum, or nothing is brought" * doctest::skip(!has_git())) {
    const Repository repository;
    Place place;
    parser::GitSource source = repository.source("main");
    source.checksum = repository.second.substr(0, 7);
    CHECK(fetch_git_files(source, false, place.access).commit == repository.second);
    source.checksum = repository.first;
    CHECK(refusal([&] { fetch_git_files(source, false, place.access); }) ==
          "unavailable: git " + source.remote + "#main: checksum mismatch: it is commit " + repository.second +
              ", expected " + repository.first);
    source.fetch_by_commit = true;
    CHECK(fetch_git_files(source, false, place.access).commit == repository.first);
}

TEST_CASE("git files: .git is kept on request, the same each time" * doctest::skip(!has_git())) {
    const Repository repository;
    Place place, other;
    const GitFiles files = fetch_git_files(repository.source("main"), true, place.access);
    CHECK(files.tree.find(ImagePath::clean(".git/HEAD")).has_value());
    CHECK_FALSE(files.tree.find(ImagePath::clean(".git/logs")).has_value());
    CHECK(fetch_git_files(repository.source("main"), true, other.access).tree == files.tree);
    CHECK(paths_of(fetch_git_files(repository.source("main"), false, place.access).tree) == "a link sub/ sub/b");
}
