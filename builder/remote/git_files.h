// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files of a commit as a tree. The commit's id is what its files are kept under, as an uncompressed layer in the
// store: a commit that is here is never fetched again, whatever branch leads to it.

#include <memory>
#include <string>

#include "builder/fetch/fetch.h"
#include "builder/remote/access.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"
#include "parser/instruction/git_url.h"

namespace imgbuild::builder {

struct GitFiles {
    std::string commit;
    layerstore::Tree tree;  ///< of the directory that was asked for, at default_file_time; root's, modes 0644 and 0755
    std::shared_ptr<layerstore::ContentSource> contents;
    std::int64_t time = 0;  ///< of the commit, seconds since 1970
    bool cached = false;    ///< its files were here already
};

/// Its first digits, for people.
std::string short_commit(const std::string& commit);

/// Which commit `source` means. A whole commit needs no network, and neither does anything offline that was asked
/// before. Error{unavailable} for a commit that does not begin with the checksum.
GitRevision find_revision(const parser::GitSource& source, RemoteAccess& access);

/// The files of the commit that `source` means, without .git unless `keep_git_dir`. Error{not_found} where it has no
/// such directory, Error{unavailable}.
GitFiles fetch_git_files(const parser::GitSource& source, bool keep_git_dir, RemoteAccess& access);

}  // namespace imgbuild::builder
