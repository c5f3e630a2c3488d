// SPDX-License-Identifier: Apache-2.0
#pragma once

// Repositories of others, through the git program. Neither the caller's configuration nor his environment reaches it:
// no hooks, no prompts, no credentials but those of the request, and only the protocols that an address may have.
// What comes out is a directory that nobody has looked at yet: whoever reads it treats it as foreign.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace imgbuild::fetch {

inline constexpr int most_submodule_levels = 8;
inline constexpr std::size_t most_submodules = 1000;

struct GitAccess {
    std::string remote;         ///< http, https, ssh, git or file; "user@host:path" is ssh
    std::string directory;      ///< absolute and ours alone: where git keeps its files while it works
    std::string authorization;  ///< value of an Authorization header for the remote's origin; may be empty
    std::string ssh_socket;     ///< of an agent; may be empty
};

struct GitRevision {
    std::string commit;     ///< all digits
    std::string reference;  ///< what the remote calls it, "refs/heads/main"; empty for a commit asked for by its digits
};

/// Asks which commit `reference` is: a branch before a tag of the same name, a tag's commit and not the tag, the
/// remote's HEAD where it is empty. Error{not_found} where there is none, {denied}, {unavailable}, {unsupported} where
/// no git is installed.
GitRevision resolve_git(const GitAccess& access, const std::string& reference);

/// Puts the files of a commit, and those of its submodules on request, to `access.directory`/files, with what git needs
/// of them in .git. Gives the time of the commit in
/// seconds since 1970. Errors as above.
std::int64_t check_out_git(const GitAccess& access, const GitRevision& revision, bool submodules);

/// The commit that a work tree of this machine is at.
struct WorkTree {
    std::int64_t time = 0;  ///< of the commit, seconds since 1970
    bool is_dirty = false;  ///< files that git knows differ from it
};

/// Looks at the work tree that `access.remote`, an absolute path, lies in. Nothing is written there, and nothing that
/// its configuration names is run. Error{not_found} where it is in none, or that has no commit.
WorkTree read_work_tree(const GitAccess& access);

/// What of git's `ls-remote` output is meant by `reference`; an empty commit where nothing is.
GitRevision choose_revision(std::string_view listing, const std::string& reference);

}  // namespace imgbuild::fetch
