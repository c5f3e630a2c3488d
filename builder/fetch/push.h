// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a registry gets from us, through imgbuild-fetch; errors as in fetch.h. Each call is one process, so that any
// number of threads may push at once.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {

/// Those of `blobs` that the repository of `reference` does not have, in their order.
std::vector<layerstore::Descriptor> missing_blobs(const layerstore::Reference& reference,
                                                  const std::vector<layerstore::Descriptor>& blobs);

/// The same for manifests and indexes.
std::vector<layerstore::Descriptor> missing_manifests(const layerstore::Reference& reference,
                                                      const std::vector<layerstore::Descriptor>& documents);

enum class PushOutcome {
    mounted,   ///< the registry took it from its repository `mount_from`
    uploaded,  ///< it was sent
    needed,    ///< it is not there, and there was no file
};

/// Brings one blob to the repository of `reference`, which does not have it: from the repository `mount_from` of the
/// same registry, which may be empty, else from `file`, of which nothing else is done and which may be empty, too.
/// Error{corrupt} where the file's bytes are not the blob's.
PushOutcome push_blob(const layerstore::Reference& reference, const layerstore::Descriptor& blob,
                      const std::string& mount_from, const Fd& file);

/// Puts a manifest or index under its digest and then under each tag; what it names has to be there. True if the
/// registry keeps itself a list of what refers to the manifest's subject.
bool push_manifest(const layerstore::Reference& reference, const layerstore::Descriptor& manifest,
                   std::string_view bytes, const std::vector<std::string>& tags);

/// The manifest that the digest or the tag of `reference` names; empty where there is none yet. `to_replace`: by the rights that
/// pushing to it has.
std::optional<std::string> find_manifest(const layerstore::Reference& reference, bool to_replace);

struct ReplaceOutcome {
    bool replaced = false;
    std::chrono::milliseconds window{0};  ///< from the last look at the tag to the end of its change
};

/// Puts a manifest under its digest, and under the tag of `reference` if that names the manifest `expected` still (or
/// nothing, where that is empty).
ReplaceOutcome replace_manifest(const layerstore::Reference& reference, const layerstore::Descriptor& manifest,
                                std::string_view bytes, const std::optional<Digest>& expected);

/// What a registry says of a manifest besides: the index of those that refer to it, or nothing where it has none.
/// `by_tag` asks for the index that clients keep under a tag, else the registry's own comes first
/// (distribution-spec 1.1, "Listing Referrers").
std::optional<std::string> fetch_referrers(const layerstore::Reference& reference, const Digest& subject, bool by_tag);

}  // namespace imgbuild::builder
