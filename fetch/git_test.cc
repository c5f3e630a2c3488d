// SPDX-License-Identifier: Apache-2.0
#include "fetch/git.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/temporary_directory.h"
#include "base/test_git.h"
#include "base/test_support.h"
#include "fetch/git_program.h"
#include "fetch/http.h"

using namespace imgbuild;
using namespace imgbuild::fetch;
using test::commit_all;
using test::has_git;
using test::run_git;

namespace {

const std::string one(40, '1'), two(40, '2'), three(40, '3');

/// A repository of one commit on this machine, served by the file protocol.
struct Repository {
    TemporaryDirectory folder = TemporaryDirectory::create();
    std::string path = folder.path() + "/origin";
    std::string commit;

    Repository() {
        run_git({"init", "--quiet", "--initial-branch=main", path}, folder.path());
        write("a", "alpha\n");
        write("run", "#!/bin/sh\n");
        std::filesystem::permissions(path + "/run", std::filesystem::perms(0755));
        commit = commit_all("first", path);
        run_git({"tag", "v1"}, path);
    }

    void write(const std::string& name, const std::string& text) const { std::ofstream(path + "/" + name) << text; }
};

std::string text_of_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("git: a branch is meant before a tag of the same name, and a tag means its commit") {
    const std::string listing = one + "\trefs/heads/x\n" + two + "\trefs/tags/x\n" + three + "\trefs/tags/x^{}\n";
    CHECK(choose_revision(listing, "x").commit == one);
    CHECK(choose_revision(listing, "x").reference == "refs/heads/x");
    CHECK(choose_revision(listing, "refs/tags/x").commit == three);
    CHECK(choose_revision(listing, "tags/x").reference == "refs/tags/x");
    CHECK(choose_revision(listing, "heads").commit.empty());
    CHECK(choose_revision(two + "\tHEAD\n", "").commit == two);
    CHECK(choose_revision(one + "\trefs/heads/team/x\n", "x").commit.empty());
    CHECK(choose_revision("no commit\trefs/heads/x\n", "x").commit.empty());
}

TEST_CASE("git: the reason that it gives is what a message needs") {
    CHECK(last_words("warning: a\nfatal: repository 'x' not found\n") == "repository 'x' not found");
    CHECK(last_words("Cloning into 'x'...\nfatal: transport 'file' not allowed\nfatal: clone of 'y' failed\n") ==
          "transport 'file' not allowed");
    CHECK(last_words("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\n"
                     "Please make sure you have the correct access rights\nand the repository exists.\n") ==
          "git@h: Permission denied (publickey).");
}

TEST_CASE("git: an origin is the address without its path") {
    CHECK(origin_of("https://h:8080/a/b.git") == "https://h:8080/");
    CHECK(origin_of("git@h:a/b.git").empty());
}

TEST_CASE("git: a date is written as HTTP wants it") {
    CHECK(http_date(784'111'777) == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(parse_http_date(http_date(1'700'000'000)) == 1'700'000'000);
}

TEST_CASE("git: the files of a commit are brought, and nothing of the caller's configuration counts" *
          doctest::skip(!has_git())) {
    Repository repository;
    // A hook and a filter that the caller would have.
    TemporaryDirectory home = TemporaryDirectory::create();
    std::ofstream(home.path() + "/.gitconfig")
        << "[core]\n\thooksPath = " << home.path() << "\n[url \"file:///none/\"]\n"
        << "\tinsteadOf = file://\n";
    ::setenv("HOME", home.path().c_str(), 1);
    TemporaryDirectory scratch = TemporaryDirectory::create();
    const GitAccess access{"file://" + repository.path, scratch.path(), {}, {}};
    const GitRevision main = resolve_git(access, "main");
    CHECK(main.commit == repository.commit);
    CHECK(resolve_git(access, "").commit == repository.commit);
    CHECK(resolve_git(access, "v1").reference == "refs/tags/v1");
    CHECK(check_out_git(access, main, true) == 1'700'000'000);
    CHECK(text_of_file(scratch.path() + "/files/a") == "alpha\n");
    CHECK_FALSE(scratch.directory().try_open(ImagePath::clean("gitconfig"), 0, FollowLinks::never).has_value());
    const auto mode = [&](const char* name) {
        return scratch.directory().status(ImagePath::clean(std::string("files/") + name))->st_mode & 07777;
    };
    CHECK(mode("a") == 0644);
    CHECK(mode("run") == 0755);
    const std::string folder = scratch.path() + "/files";
    CHECK(run_git({"status", "--porcelain"}, folder).empty());
}

TEST_CASE("git: a commit behind the branches is found by its digits" * doctest::skip(!has_git())) {
    Repository repository;
    repository.write("a", "beta\n");
    commit_all("second", repository.path);
    TemporaryDirectory scratch = TemporaryDirectory::create();
    check_out_git({"file://" + repository.path, scratch.path(), {}, {}}, {repository.commit, ""}, false);
    CHECK(text_of_file(scratch.path() + "/files/a") == "alpha\n");
}

TEST_CASE("git: what is not there is said in one line" * doctest::skip(!has_git())) {
    Repository repository;
    TemporaryDirectory scratch = TemporaryDirectory::create();
    const std::string address = "file://" + repository.path;
    CHECK(test::refusal([&] {
              resolve_git({address, scratch.path(), {}, {}}, "none");
          }) == "not_found: git " + address + ": no branch or tag none");
    CHECK(test::refusal([&] {
              resolve_git({"file:///no/such", scratch.path(), {}, {}}, "");
          }).starts_with("unavailable: git file:///no/such: "));
    CHECK(test::refusal([&] {
              resolve_git({"ext::sh -c true", scratch.path(), {}, {}}, "");
          }).starts_with("unavailable: git ext::sh -c true: transport 'ext' not allowed"));
    CHECK(test::refusal([&] {
              check_out_git({address, scratch.path(), {}, {}}, {std::string(40, '1'), ""}, false);
          }).starts_with("not_found: git " + address + ": has no commit 1111"));
}

TEST_CASE("git: a submodule on this machine is not reached from a repository" * doctest::skip(!has_git())) {
    Repository inner, outer;
    run_git({"-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "file://" + inner.path, "sub"},
            outer.path);
    const std::string commit = commit_all("with a submodule", outer.path);
    TemporaryDirectory scratch = TemporaryDirectory::create();
    const GitAccess access{"file://" + outer.path, scratch.path(), {}, {}};
    CHECK(test::refusal([&] {
              check_out_git(access, {commit, "refs/heads/main"}, true);
          }).find("transport 'file' not allowed") != std::string::npos);
    TemporaryDirectory other = TemporaryDirectory::create();
    check_out_git({access.remote, other.path(), {}, {}}, {commit, "refs/heads/main"}, false);
    CHECK(text_of_file(other.path() + "/files/a") == "alpha\n");
}

TEST_CASE("git: a work tree says the time of its commit and whether files differ, and starts no program of its own") {
    if (!has_git()) return;
    const Repository origin;
    const TemporaryDirectory scratch = TemporaryDirectory::create();
    std::size_t number = 0;
    const auto read = [&](const std::string& path) {
        const std::string folder = fmt::format("{}/{}", scratch.path(), number++);
        std::filesystem::create_directory(folder);
        return read_work_tree({path, folder, {}, {}});
    };
    const std::string marker = scratch.path() + "/started";
    origin.write(".gitattributes", "a filter=spy\n");
    commit_all("second", origin.path);
    for (const char* key : {"filter.spy.clean", "core.fsmonitor"})
        run_git({"config", key, "touch " + marker + "; cat"}, origin.path);
    run_git({"config", "core.bare", "false"}, origin.path);
    const WorkTree clean = read(origin.path);
    CHECK(clean.time > 0);
    CHECK_FALSE(clean.is_dirty);
    origin.write("untracked", "x");
    CHECK_FALSE(read(origin.path).is_dirty);
    origin.write("a", "changed\n");
    std::filesystem::create_directory(origin.path + "/sub");
    const WorkTree changed = read(origin.path + "/sub");
    CHECK(changed.time == clean.time);
    CHECK(changed.is_dirty);
    CHECK_FALSE(std::filesystem::exists(marker));
    CHECK(test::refusal([&] { read(scratch.path()); }).starts_with("not_found: git " + scratch.path() + ": "));
    const std::string empty = scratch.path() + "/empty";
    run_git({"init", "--quiet", empty}, scratch.path());
    CHECK(test::refusal([&] { read(empty); }) == "not_found: git " + empty + ": has no commit");
}
