// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/empty_document.h"

#include "base/base64.h"
#include "base/json.h"

namespace imgbuild::layerstore {

Descriptor put_empty_document(const BlobStore& blobs) {
    constexpr std::string_view document = "{}";
    Descriptor empty{
        .media_type = "application/vnd.oci.empty.v1+json", .digest = blobs.put(document), .size = document.size()};
    empty.other_members = write_json({{"data", encode_base64(document)}});
    return empty;
}

}  // namespace imgbuild::layerstore
