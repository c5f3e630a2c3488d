// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the address of a git repository says, as contexts and ADD write it: where the repository is, which commit of it,
// and which part of that commit.
//
//   https://host/x.git#REF:DIRECTORY     git@host:x#REF     ssh:// and git:// likewise
//   https://host/x.git?ref=&tag=&branch=&subdir=&checksum=&commit=&keep-git-dir=&submodules=&mtime=&fetch-by-commit=

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "parser/instruction/values.h"

namespace imgbuild::parser {

struct GitSource {
    std::string remote;                ///< as git is given it: without query and fragment, never with a password
    std::string reference;             ///< a branch, tag, full ref or commit; empty: the default branch
    std::string directory;             ///< clean, without a leading slash; empty: all of the commit
    std::string checksum;              ///< the commit begins with these hexadecimal digits, in lower case; may be empty
    std::optional<bool> keep_git_dir;  ///< where the address says it
    bool submodules = true;
    bool fetch_by_commit = false;  ///< `checksum` is a whole commit, and is asked for instead of the reference

    friend bool operator==(const GitSource&, const GitSource&) = default;
};

/// Reads an address for which is_git_url() or is_git_context() is true. Refuses what could be an option of git, leave
/// the repository, or put a password into an image's history.
std::variant<GitSource, ValueError> parse_git_url(std::string_view text);

/// True for what names a repository where a command line takes a context: as is_git_url(), and file:// as well as
/// github.com/USER/REPOSITORY, which an ADD does not reach.
bool is_git_context(std::string_view place);

/// True for all digits of a commit's hash, SHA-1 or SHA-256.
bool is_commit(std::string_view text) noexcept;

/// What git calls a part of an address that is fit to be shown: `remote`, with #reference:directory.
std::string text_of(const GitSource& source);

}  // namespace imgbuild::parser
