// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/record_blobs.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {

std::string read_record_blob(CachePlace& place, const layerstore::Descriptor& blob, std::uint64_t limit,
                             const layerstore::BlobStore& store) {
    const std::string what = fmt::format("{}: {}", place.name(), blob.digest.text());
    if (blob.size > limit)
        throw Error(ErrorKind::invalid_input, fmt::format("{}: larger than {}", what, human_size(limit)));
    if (store.size(blob.digest) == blob.size) {
        try {
            return store.read(blob.digest, limit, what);
        } catch (const Error& error) {
            // Damaged, or pruned at this moment: it is brought again.
            if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::not_found) throw;
        }
    }
    MemoryWriter out;
    place.read_blob(blob, out);
    if (out.bytes().size() != blob.size || Sha256::of(out.bytes()) != blob.digest)
        throw Error(ErrorKind::invalid_input, fmt::format("{}: other bytes than its digest says", what));
    store.put(out.bytes());
    return out.take();
}

}  // namespace imgbuild::builder
