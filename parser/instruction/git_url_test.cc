// SPDX-License-Identifier: Apache-2.0
#include "parser/instruction/git_url.h"

#include <doctest/doctest.h>

using namespace imgbuild::parser;

namespace {

GitSource read(std::string_view text) {
    auto result = parse_git_url(text);
    if (const auto* error = std::get_if<ValueError>(&result)) FAIL(text << ": " << error->message);
    return std::get<GitSource>(result);
}

std::string refusal(std::string_view text) {
    auto result = parse_git_url(text);
    const auto* error = std::get_if<ValueError>(&result);
    return error ? error->message : "accepted";
}

const std::string commit(40, 'a');

}  // namespace

TEST_CASE("the fragment of a git address names a reference and a directory") {
    CHECK(read("https://h/x.git").remote == "https://h/x.git");
    CHECK(read("https://h/x.git").reference.empty());
    CHECK(read("https://h/x.git#main").reference == "main");
    CHECK(read("https://h/x.git#main:a/b/").directory == "a/b");
    CHECK(read("https://h/x.git#:sub").reference.empty());
    CHECK(read("https://h/x.git#:/sub").directory == "sub");
    CHECK(read("git@h:team/x.git#v1:d").remote == "git@h:team/x.git");
    CHECK(read("ssh://git@h:22/x#v1").remote == "ssh://git@h:22/x");
    CHECK(read("github.com/u/r#v1").remote == "https://github.com/u/r");
}

TEST_CASE("the query of a git address says the same and more") {
    const GitSource source =
        read("https://h/x.git?branch=main&subdir=a%2Fb&checksum=AB12&keep-git-dir=1&submodules=false");
    CHECK(source.remote == "https://h/x.git");
    CHECK(source.reference == "refs/heads/main");
    CHECK(source.directory == "a/b");
    CHECK(source.checksum == "ab12");
    CHECK(source.keep_git_dir == true);
    CHECK_FALSE(source.submodules);
    CHECK(read("https://h/x.git?tag=v1").reference == "refs/tags/v1");
    CHECK(read("https://h/x.git?tag=refs/tags/v1").reference == "refs/tags/v1");
    CHECK(read("https://h/x.git?ref=v1#v1").reference == "v1");
    CHECK(read("https://h/x.git?branch=main#main").reference == "refs/heads/main");
    CHECK(read("https://h/x.git?keep-git-dir").keep_git_dir == true);
    CHECK_FALSE(read("https://h/x.git").keep_git_dir.has_value());
    CHECK(read("https://h/x.git?commit=" + commit + "&fetch-by-commit=true").fetch_by_commit);
    CHECK(read("https://h/x.git?mtime=commit").reference.empty());
}

TEST_CASE("a query that is unknown, given twice, empty or in conflict is refused") {
    CHECK(refusal("https://h/x.git?bogus=1") == "unexpected query \"bogus\"");
    CHECK(refusal("https://h/x.git?ref=a&ref=b") == "query \"ref\" has multiple values");
    CHECK(refusal("https://h/x.git?ref=") == "query \"ref\" has no value");
    CHECK(refusal("https://h/x.git?tag=a&branch=b") == "branch conflicts with tag");
    CHECK(refusal("https://h/x.git?ref=a#b") == "ref conflicts: \"b\" and \"a\"");
    CHECK(refusal("https://h/x.git?subdir=a#m:b") == "subdir conflicts: \"b\" and \"a\"");
    CHECK(refusal("https://h/x.git?checksum=ab&commit=cd") == "checksum conflicts: \"ab\" and \"cd\"");
    CHECK(refusal("https://h/x.git?submodules=perhaps") ==
          "query \"submodules\": expected true or false, not \"perhaps\"");
    CHECK(refusal("https://h/x.git?mtime=now") == "query \"mtime\": expected checkout or commit, not \"now\"");
    CHECK(refusal("https://h/x.git?ref=%zz") == "malformed query \"ref=%zz\"");
    CHECK(refusal("https://h/x.git?checksum=xyz") == "invalid checksum: xyz");
    CHECK(refusal("https://h/x.git?checksum=ab&fetch-by-commit") == "fetch-by-commit needs a whole commit");
}

TEST_CASE("no part of a git address is taken for an option of git, or for another refspec") {
    for (const char* reference :
         {"--upload-pack=/bin/sh", "-x", "+main", "a:b", "a..b", "a b", "a^{}", "a~1", "a*", "@", "main%0A"})
        CHECK_MESSAGE(refusal(std::string("https://h/x.git?ref=") + reference) != "accepted", reference);
    CHECK(refusal("ssh://-oProxyCommand=x/y.git") != "accepted");
    CHECK(refusal("ssh://-x@h/y.git") != "accepted");
    CHECK(refusal("https://h/x.git#--upload-pack=x") == "no name of a branch, tag or commit: --upload-pack=x");
}

TEST_CASE("a directory stays inside the repository") {
    CHECK(refusal("https://h/x.git#main:../../etc") == "the directory leaves the repository: ../../etc");
    CHECK(refusal("https://h/x.git?subdir=a%2F..%2Fb") == "the directory leaves the repository: a/../b");
}

TEST_CASE("a password in the address is refused and never shown") {
    CHECK(refusal("https://me:secret@h/x.git") == "the address of a git repository holds a name or a password");
    CHECK(refusal("https://token@h/x.git") == "the address of a git repository holds a name or a password");
    CHECK(refusal("ssh://git:secret@h/x.git") == "the address of a git repository holds a name or a password");
}

TEST_CASE("a command line knows more addresses of git than ADD") {
    CHECK(is_git_context("file:///srv/x.git"));
    CHECK(is_git_context("github.com/u/r"));
    CHECK_FALSE(is_git_url("github.com/u/r"));
    CHECK_FALSE(is_git_url("file:///srv/x.git"));
    CHECK_FALSE(is_git_context("github.com/u"));
    CHECK_FALSE(is_git_context("https://h/x.tar"));
    CHECK(is_commit(commit));
    CHECK(is_commit(std::string(64, '0')));
    CHECK_FALSE(is_commit(commit + "a"));
    CHECK_FALSE(is_commit("main"));
}
