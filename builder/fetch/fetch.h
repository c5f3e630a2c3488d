// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a build needs from the network, through imgbuild-fetch: a process of its own for each request, so that any
// number of threads may ask at once. What a registry, a server or the network refuses or fails is
// Error{unavailable}, whatever the HTTP status was (the message says it): the kind by which a command tells that
// the network is to blame. Bytes that are larger than announced or not those of a digest are Error{invalid_input};
// a wish to stop kills the helper and is Error{interrupted}.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/directory.h"
#include "base/stream.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {

struct FetchedDocument {
    std::string bytes;
    std::string media_type;  ///< as the registry's Content-Type says, without parameters
    Digest digest;           ///< of the bytes
};

/// The manifest or index that the tag or the digest of `reference` names, at most layerstore::max_manifest_bytes;
/// a digest is verified.
FetchedDocument fetch_manifest(const layerstore::Reference& reference);

/// Streams a blob of the repository of `reference` into `out` as it comes. The helper verifies size and digest, the
/// caller verifies again (BlobWriter::commit_expecting); only a return means that all bytes came.
void fetch_blob(const layerstore::Reference& reference, const layerstore::Descriptor& blob, ByteWriter& out);

/// The same, where another registry may be asked after one broke off in the middle or gave other bytes: `begin` gives
/// what the blob is written into, and a new one each time that it begins anew.
void fetch_blob(const layerstore::Reference& reference, const layerstore::Descriptor& blob,
                const std::function<ByteWriter&()>& begin);

struct FetchedFile {
    std::string file_name;  ///< the last part of the URL's path, one component; "__unnamed__" where it has none
    Digest digest;
    std::uint64_t size = 0;                     ///< bytes
    std::optional<std::int64_t> last_modified;  ///< seconds since 1970
    std::string etag;                           ///< what the server calls this version; may be empty
};

/// What is sent with the request for a file.
struct UrlRequest {
    std::string url;
    std::string authorization;                   ///< value of the header, for the URL's own origin; may be empty
    std::string etag;                            ///< of the version that is here already; may be empty
    std::optional<std::int64_t> modified_since;  ///< else its Last-Modified
};

/// Bytes that ADD takes from one URL at most: as one file in a layer.
inline constexpr std::uint64_t max_fetched_bytes = std::uint64_t{1} << 40;

/// Streams what an http or https URL gives into `out`. Empty, with nothing written, where the version that the request
/// names is still the server's.
std::optional<FetchedFile> fetch_url(const UrlRequest& request, ByteWriter& out);

/// A git repository and the way to it.
struct GitRemote {
    std::string address;
    std::string authorization;  ///< value of an Authorization header for its origin; may be empty
    std::string ssh_socket;     ///< of an agent; may be empty
};

struct GitRevision {
    std::string commit;     ///< all hexadecimal digits, 40 or 64
    std::string reference;  ///< "refs/heads/main"; empty where the commit itself was asked for
};

/// Which commit a branch, tag or full reference is now; the default branch where `reference` is empty. git keeps its
/// files in `scratch`, an empty directory, while it works.
GitRevision resolve_git(const GitRemote& remote, const std::string& reference, const Directory& scratch);

/// Brings the files of a commit, with those of its submodules on request, to `scratch`/files, where nobody has looked
/// at them yet; .git is among them. `scratch` as above. Gives the time of the commit, seconds since 1970.
std::int64_t check_out_git(const GitRemote& remote, const GitRevision& revision, bool submodules,
                           const Directory& scratch);

/// The commit that a work tree of this machine is at.
struct WorkTreeHead {
    std::int64_t time = 0;  ///< seconds since 1970
    bool is_dirty = false;  ///< files that git knows differ from it
};

/// Asks git about the work tree that the directory `path` lies in; git keeps files in a folder below `scratch` while it
/// works. Nothing is written to the work tree, and nothing that its configuration names is run. Error{usage} where it is
/// in none, or in one without a commit.
WorkTreeHead read_work_tree(const std::string& path, const Directory& scratch);

}  // namespace imgbuild::builder
