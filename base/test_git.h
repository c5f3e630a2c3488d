// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs git for tests: with no configuration but its own, and fixed names and times, so that commits are the same each
// run. Not part of any library.

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/process.h"

namespace imgbuild::test {

/// Without it the cases that need it are skipped.
inline bool has_git() { return find_program("git").has_value(); }

/// What `git ARGUMENTS…` says in `folder`; the test ends where it fails.
inline std::string run_git(const std::vector<std::string>& arguments, const std::string& folder) {
    ProcessOptions options;
    options.arguments = {"git"};
    options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
    const char* search = std::getenv("PATH");
    options.environment = {std::string("PATH=") + (search ? search : "/usr/bin:/bin"),
                           "GIT_CONFIG_GLOBAL=/dev/null",
                           "GIT_CONFIG_NOSYSTEM=1",
                           "GIT_AUTHOR_NAME=t",
                           "GIT_AUTHOR_EMAIL=t@t",
                           "GIT_COMMITTER_NAME=t",
                           "GIT_COMMITTER_EMAIL=t@t",
                           "GIT_AUTHOR_DATE=1700000000 +0000",
                           "GIT_COMMITTER_DATE=1700000000 +0000"};
    options.working_directory = folder;
    CapturedOutput output = run_and_capture(options);
    REQUIRE_MESSAGE(output.status.ok(), output.standard_error);
    return output.standard_output;
}

/// Commits everything in the working tree and gives the commit's id.
inline std::string commit_all(const std::string& message, const std::string& folder) {
    run_git({"add", "--all"}, folder);
    run_git({"commit", "--quiet", "-m", message}, folder);
    std::string id = run_git({"rev-parse", "HEAD"}, folder);
    id.pop_back();
    return id;
}

}  // namespace imgbuild::test
