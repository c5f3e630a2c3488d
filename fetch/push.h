// SPDX-License-Identifier: Apache-2.0
#pragma once

// The write side of the OCI distribution specification: blobs, then manifests, then tags. Nothing is sent that the
// registry has, and an upload that broke off goes on where the registry says that it ends.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "fetch/registry_session.h"

namespace imgbuild::fetch {

struct BlobUpload {
    Digest digest;
    std::uint64_t size = 0;      ///< bytes
    std::string mount_from;      ///< a repository of the same registry that has it; may be empty
    BodySource bytes = nullptr;  ///< may be empty: then a blob that cannot be mounted is not uploaded
};

enum class UploadOutcome {
    mounted,   ///< the registry took it from another repository
    uploaded,  ///< it is there now
    needed,    ///< nothing is there, and there are no bytes to send
};

/// True if the repository has the blob.
bool has_blob(RegistrySession& session, const Digest& digest);

/// True if the repository has the manifest.
bool has_manifest(RegistrySession& session, const Digest& digest);

/// Brings a blob to the repository that it does not have. Errors as transfer(), and Error{corrupt} where `bytes` are
/// not those of the digest.
UploadOutcome upload_blob(RegistrySession& session, const BlobUpload& blob);

struct ManifestUpload {
    Digest digest;
    std::string media_type;
    std::string_view bytes;
    std::vector<std::string> tags;
};

/// Puts a manifest under its digest, then under each tag in their order. True if the registry keeps a list of what
/// refers to the manifest's subject (OCI-Subject). Error{invalid_input} where it says that it got other bytes.
bool push_manifest(RegistrySession& session, const ManifestUpload& manifest);

struct ReplaceOutcome {
    bool replaced = false;
    std::int64_t window_milliseconds = 0;  ///< from the look at the tag to the end of its change
};

/// Puts a manifest under its digest, and under its one tag if that still names the manifest `expected` (nothing, where
/// that is empty). The specification has no conditional requests: another client may come between the look and the
/// change, which are next to each other for that. Errors as push_manifest().
ReplaceOutcome replace_manifest(RegistrySession& session, const ManifestUpload& manifest,
                                const std::optional<Digest>& expected);

/// The offset behind "0-99" or "bytes=0-99": 100. Empty for anything else; 0 for "0-0", by which registries mean that
/// nothing came yet.
std::optional<std::uint64_t> uploaded_bytes(std::string_view range);

}  // namespace imgbuild::fetch
