// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a cache lies outside the store: a layout, a registry, a cache service. One manifest and blobs by their digest;
// nothing here knows what is in them.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/stream.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {

/// Thread-safe. What cannot be reached or is refused is Error{unavailable} or Error{denied}; every Error names the place.
class CachePlace {
  public:
    virtual ~CachePlace() = default;

    /// As people call it: "registry example.org/app:cache".
    virtual const std::string& name() const = 0;

    /// The manifest or index that stands there; empty where there is none yet.
    virtual std::optional<std::string> read_manifest() = 0;
    /// Streams a blob, or a document that an index names. The bytes are not verified.
    virtual void read_blob(const layerstore::Descriptor& blob, ByteWriter& out) = 0;

    virtual bool has_blob(const layerstore::Descriptor& blob) = 0;
    /// Puts a blob there, which `file` is. Error{corrupt} where its bytes are others than the descriptor says.
    virtual void write_blob(const layerstore::Descriptor& blob, const Fd& file) = 0;

    /// Gets the manifest that stands there and gives the one that is to stand there; nothing where that one has it all.
    using Change = std::function<std::optional<std::string>(const std::optional<std::string>&)>;
    /// Replaces the manifest by what `change` makes of it, so that no other exporter's manifest is lost: where one came
    /// between, `change` is called again with that one. Afterwards the place may drop blobs that no manifest names.
    virtual void change_manifest(const Change& change) = 0;
    /// Between two manifests of one build: what is lost where it is killed.
    virtual std::chrono::seconds pause() const { return std::chrono::seconds(2); }
    /// For how long after a change_manifest() another exporter, who looked before it, may still put his manifest in the
    /// place of ours. Zero where none can (docs/decisions/0018-exporters-that-meet.md).
    virtual std::chrono::milliseconds settling() const { return std::chrono::milliseconds(0); }
};

/// An OCI layout: a directory, in it the manifest with the ref.name `tag`. Made at the first write.
std::shared_ptr<CachePlace> layout_cache_place(const std::string& path, const std::string& tag);

enum class CacheAccess { read, write };

/// A tag of a registry. Read, it may also stand for an image that has a cache in its config. With CacheAccess::write it
/// is reached by the rights of who pushes.
std::shared_ptr<CachePlace> registry_cache_place(const layerstore::Reference& reference, CacheAccess access);

}  // namespace imgbuild::builder
