// SPDX-License-Identifier: Apache-2.0
#pragma once

// Contexts that are no directory of the host: archives, what an URL gives, repositories. Each is brought as a whole
// tree; ignore files inside have no say, because whoever packed it chose what is in it.

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/fd.h"
#include "builder/remote/access.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"
#include "parser/instruction/git_url.h"

namespace imgbuild::builder {

/// A tar on the host, plain or compressed.
struct ArchiveContext {
    std::string path;  ///< as errors call it, and what tells one context from another
    /// Its bytes where they came from a stream; else null, and the file at `path` is read.
    std::shared_ptr<const Fd> file;
};
/// What an http or https URL gives: an archive, else a single file.
struct UrlContext {
    std::string url;
    std::string checksum = {};  ///< "sha256:HEX"; empty where nobody pins it
};
struct GitContext {
    parser::GitSource source;
    bool keep_git_dir = false;
};
using RemoteContext = std::variant<ArchiveContext, UrlContext, GitContext>;

/// How messages name it.
std::string name_of(const RemoteContext& context);

struct ContextTree {
    /// Owned by 0:0; times are since when this store knows the content at its path.
    layerstore::Tree tree;
    std::shared_ptr<layerstore::ContentSource> contents;
    /// As an archive has them; empty where all files have one time.
    std::optional<layerstore::Tree> own_times;
    std::optional<std::string> single_file;  ///< its name, where an URL gave no archive
    /// When it was made, in seconds since 1970: of the commit; as the server says (Last-Modified), else of the newest
    /// regular file in the archive. Empty where nothing says it.
    std::optional<std::int64_t> time;
    std::string revision;  ///< which bytes these are: "sha256:HEX" of an archive or file, or a commit
    std::string detail;    ///< for people: how much it is, or which commit
    bool cached = false;   ///< nothing was fetched or unpacked
};

/// Brings a context. Error{usage} for an archive that is none, is damaged or holds what no image may, Error{not_found} for a missing file, and those of fetch_to_store() and fetch_git_files().
/// With `git_modes` files have 0644 or 0755, as git keeps them, whatever an archive says.
ContextTree load_context(const RemoteContext& context, RemoteAccess& access, bool git_modes = false);

/// The files with the times that they came with: those in an archive, else ContextTree::time, else the constant.
layerstore::Tree with_own_times(const ContextTree& context);

/// Its time alone, as in ContextTree; an archive is unpacked only where nothing else says it. Errors as load_context().
std::optional<std::int64_t> time_of(const RemoteContext& context, RemoteAccess& access);

/// A file of the tree as text, links followed inside; empty where no regular file stands there. At most `limit` bytes,
/// else Error{invalid_input}.
std::optional<std::string> read_text(const ContextTree& context, const ImagePath& path, std::uint64_t limit);

}  // namespace imgbuild::builder
