// SPDX-License-Identifier: Apache-2.0
#pragma once

// Manifests and indexes of registries as documents of a store: what a name stands for, of which type it is, and what
// is told where a registry gives something else.

#include <string>
#include <utility>

#include "base/error.h"
#include "builder/fetch/fetch.h"
#include "layerstore/blob/blob_store.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {

/// True for a manifest and for an index, OCI's or Docker's.
bool is_document(std::string_view media_type) noexcept;

/// The type of a document: what the registry says in its header, or where that is of no use (a plain file server) the
/// document itself. Error{unavailable} where it is neither a manifest nor an index.
std::string document_type(const FetchedDocument& document);

/// Fetches what `reference` names into `blobs`. Errors as fetch_manifest().
layerstore::Descriptor fetch_document(const layerstore::Reference& reference, const layerstore::BlobStore& blobs);

/// Brings a document that an index names from the repository of `reference` to `blobs`, unless it is there.
/// Error{unavailable} where its size is not what the index says.
void bring_document(const layerstore::Reference& reference, const layerstore::Descriptor& document,
                    const layerstore::BlobStore& blobs);

/// Brings any blob from the repository of `reference` to `blobs`, unless it is there.
void bring_blob(const layerstore::Reference& reference, const layerstore::Descriptor& blob,
                const layerstore::BlobStore& blobs);

/// Fetches what `reference` names, and all that tells what it is without its layers: of an index the manifests, of
/// images the configs.
layerstore::Descriptor fetch_documents(const layerstore::Reference& reference, const layerstore::BlobStore& blobs);

/// Runs `ask`, in which somebody asks a registry. Bytes that are not those of their digest are the registry's failure
/// as much as an answer that does not come: Error{unavailable}. `what` is put before every Error.
template <class Ask>
decltype(auto) ask_registry(const std::string& what, Ask&& ask) {
    try {
        return std::forward<Ask>(ask)();
    } catch (Error& error) {
        error.add_frame(what);
        if (error.kind() != ErrorKind::invalid_input && error.kind() != ErrorKind::corrupt) throw;
        throw Error(ErrorKind::unavailable, error.full_message(), error.hint());
    }
}

}  // namespace imgbuild::builder
