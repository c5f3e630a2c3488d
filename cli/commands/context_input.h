// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the word that names a context to what it is: a directory with its ignore rules, or something elsewhere.

#include <memory>
#include <optional>
#include <string>

#include "base/stream.h"
#include "builder/remote/context_files.h"
#include "builder/solve/solver.h"
#include "cli/commands/build_options.h"
#include "layerstore/store/store.h"

namespace imgbuild::cli {

/// "DIRECTORY/NAME", without "./" before it.
std::string below(const std::string& directory, const std::string& name);
bool is_there(const std::string& path);

/// The text at `path`, a regular file of at most parser::Source::max_bytes in `directory`. Links are followed, and
/// Error{usage} names one that leads out of the directory: what it points at would show in messages.
std::string read_below(const std::string& directory, const std::string& path);

/// What a word of the command line names, nothing of it read but the type of a path. Error{not_found} where there is
/// no such path, Error{usage} for a malformed address.
std::variant<std::string, builder::RemoteContext> find_context(const std::string& place, bool keep_git_dir);

/// A directory with its ignore rules: from "BUILDFILE.dockerignore" where that is there (`buildfile` may be empty),
/// else .containerignore or .dockerignore in it. Error{usage} with the place of a malformed rule.
builder::ContextDirectory read_directory(const std::string& path, const std::string& buildfile, bool git_modes);

/// Standard input where it is an archive, as a context; else its bytes, up to `limit`, as text.
std::variant<builder::ArchiveContext, std::string> read_standard_input(layerstore::Store& store, std::uint64_t limit);

/// The lease that bringing something takes. Error{denied} where it is null: the store can only be read.
layerstore::Store::Lease& required_lease(const layerstore::Store& store, layerstore::Store::Lease* lease);

/// What brings contexts and Buildfiles before anything is planned, with the secrets and agents of the command line.
class ContextLoader {
  public:
    /// Everything is borrowed.
    ContextLoader(const BuildOptions& options, layerstore::Store& store, layerstore::Store::Lease& lease);

    std::shared_ptr<const builder::ContextTree> load(const builder::RemoteContext& context);
    /// Its time alone (builder::time_of()).
    std::optional<std::int64_t> time_of(const builder::RemoteContext& context);
    /// Brings what an ADD names into the store.
    void fetch(const builder::FetchUrl& url);
    void fetch(const builder::FetchGit& git);
    /// The text that an URL gives.
    std::string fetch_text(const std::string& url, std::uint64_t limit);

  private:
    bool git_modes_;
    builder::Memos memos_;
    TaskPool workers_;
    builder::RemoteAccess access_;
};

}  // namespace imgbuild::cli
