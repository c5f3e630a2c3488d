// SPDX-License-Identifier: Apache-2.0
#pragma once

// ADD of what lies elsewhere: a file of a web server, a commit of a repository.

#include <memory>

#include "builder/solve/services.h"

namespace imgbuild::builder {

struct FetchOutcome {
    layerstore::Tree tree;
    std::shared_ptr<layerstore::ContentSource> contents;
    bool cached = false;
    std::string detail;    ///< for people; may be empty
    std::string revision;  ///< as NodeResult has it
};

/// A tree of the one file, 0600, with the server's time for it. Errors as fetch_to_store().
FetchOutcome fetch_file(const FetchUrl& fetch, Services& services, bool ignore_cache);

/// The files of the commit. Errors as fetch_git_files().
FetchOutcome fetch_git(const FetchGit& fetch, Services& services, bool ignore_cache);

}  // namespace imgbuild::builder
