// SPDX-License-Identifier: Apache-2.0
#include "builder/resolve/detail/source_memo.h"

#include "base/error.h"
#include "base/json.h"

namespace imgbuild::builder::detail {

using layerstore::Descriptor;
using layerstore::MemoKind;

SourceKey& SourceKey::add(std::string_view label, std::string_view value) {
    parts_.text(label).text(value);
    return *this;
}

std::optional<layerstore::Image> recall_image(layerstore::Store& store, const SourceKey& key,
                                              const layerstore::Platform& platform, const std::string& what) {
    const auto memo = store.records().find_memo(MemoKind::source, key.digest());
    if (!memo) return std::nullopt;
    try {
        const Descriptor document = Descriptor::from_json(parse_json(memo->value, what), what);
        return layerstore::read_image(store.blobs(), document, platform, what);
    } catch (const Error& error) {
        switch (error.kind()) {
            case ErrorKind::not_found:
            case ErrorKind::invalid_input:
            case ErrorKind::corrupt:
            case ErrorKind::unsupported: return std::nullopt;
            default: throw;
        }
    }
}

// As text: collection finds the digest in it, and the document's own digests in the document.
void remember_image(layerstore::Store& store, const SourceKey& key, const Descriptor& document) {
    store.records().put_memo(MemoKind::source, key.digest(), write_json(document.to_json()), key.preimage());
}

}  // namespace imgbuild::builder::detail
