// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a cache outside the store holds (docs/formats/cache.md): a manifest that names blobs of records and the layers
// that records need. A record says a result without its bytes, so that what is looked up costs no layer.
//
// Nothing here is believed: who reads it checks what it can (solve/imported_results.h).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/store/records.h"

namespace imgbuild::builder {

/// A blob that holds a delta.
struct CachedLayer {
    layerstore::Descriptor blob;
    DiffId diff_id;
    Digest pack_key;  ///< how it was packed: memos.h, pack_key_of()
};

/// Since 1970, as records tell when they were used.
std::int64_t microseconds_now();

/// A step and what it came to.
struct StepRecord {
    layerstore::MemoKind kind = layerstore::MemoKind::run;
    Digest key;
    std::string preimage;            ///< for explanations, values of variables hashed: shareable_preimage()
    std::string delta;               ///< encoded
    std::vector<std::string> files;  ///< contents of small files of the delta that keys and edits look into
    std::vector<CachedLayer> layers;
    std::int64_t used = 0;  ///< microseconds_now() when an export named it last; 0 inside an image
};
using StepName = std::pair<layerstore::MemoKind, Digest>;
using StepRecords = std::map<StepName, StepRecord>;

/// What is inside a base image, as somebody claims: its layers as deltas, each complete for those below it.
struct BaseRecord {
    struct Layer {
        Digest blob;
        DiffId diff_id;
        std::string delta;  ///< encoded
    };
    Digest manifest;
    ContentId root;  ///< of the tree that the layers make
    std::vector<Layer> layers;
    std::vector<std::string> files;  ///< contents of small files that keys and edits look into
};

/// The two kinds of record blob, zstd inside. decode: Error{invalid_input} naming `what` for anything that encode does
/// not write, another version included.
std::string encode_steps(const StepRecords& steps);
StepRecords decode_steps(std::string_view blob, const std::string& what);
std::string encode_base(const BaseRecord& base);
BaseRecord decode_base(std::string_view blob, const std::string& what);

/// A step key's preimage as it may leave this machine: of `environment` the name and a short hash of the value.
std::string shareable_preimage(std::string_view preimage);

/// The manifest of a cache.
struct CacheManifest {
    struct Base {
        layerstore::Descriptor records;
        std::int64_t used = 0;  ///< as StepRecord::used
    };
    std::optional<layerstore::Descriptor> steps;  ///< never empty in what was read
    std::map<Digest, Base> bases;                 ///< by the manifest of the image
    std::vector<layerstore::Descriptor> layers;   ///< that records name

    std::string encode() const;
    /// Empty for a manifest or index of something else. Error{invalid_input} for a cache that is damaged,
    /// Error{unsupported} for one of a later version.
    static std::optional<CacheManifest> parse(std::string_view bytes, const std::string& what);
};

/// The records of an image's own steps, as a member of its config (--cache-to type=inline).
struct InlineCache {
    StepRecords steps;
    std::vector<BaseRecord> bases;
};
inline constexpr std::string_view inline_cache_member = "imgbuild.cache.v1";
/// What the member of inline_cache_member holds, and back. decode: errors as decode_steps().
std::string encode_inline(const InlineCache& cache);
InlineCache decode_inline(std::string_view text, const std::string& what);

/// The config of a cache's manifest: two bytes.
inline constexpr std::string_view empty_config = "{}";
layerstore::Descriptor empty_config_descriptor();

inline constexpr std::uint64_t max_record_blob_bytes = std::uint64_t{64} << 20;
inline constexpr std::uint64_t max_record_bytes = std::uint64_t{512} << 20;  ///< of one blob, decompressed
inline constexpr std::size_t max_cached_layers = 9'000;  ///< that a manifest names: its size has a limit

}  // namespace imgbuild::builder
