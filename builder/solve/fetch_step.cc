// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/fetch_step.h"

#include <fmt/core.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/fetch/fetch.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

class BlobContents final : public layerstore::ContentSource {
  public:
    BlobContents(const layerstore::BlobStore& blobs, const Digest& blob, std::string name)
        : blobs_(blobs), blob_(blob), name_(std::move(name)) {}

    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override {
        return content == blob_ ? blobs_.open(blob_, size, name_) : nullptr;
    }

  private:
    const layerstore::BlobStore& blobs_;
    Digest blob_;
    std::string name_;
};

FetchedContent download(const FetchUrl& fetch, const std::optional<Digest>& expected, Services& services) {
    std::unique_ptr<layerstore::BlobWriter> blob = services.store.blobs().begin();
    const FetchedFile file = fetch_url(fetch.url, *blob);
    if (expected && file.digest != *expected)
        throw Error(ErrorKind::unavailable,
                    fmt::format("digest mismatch: {} gave {}, expected {}", printable(fetch.url), file.digest.text(),
                                expected->text()),
                    "the file changed, or the checksum is wrong");
    services.lease.add(file.digest);
    blob->commit_expecting(file.digest, file.size, fetch.url);
    return {file.digest, file.size, file.last_modified.value_or(0)};
}

}  // namespace

FetchOutcome fetch_file(const FetchUrl& fetch, Services& services, bool ignore_cache) {
    std::optional<Digest> expected;
    if (!fetch.checksum.empty()) {
        expected = Digest::parse(fetch.checksum);
        if (!expected)
            throw Error(ErrorKind::usage, "unsupported digest: " + printable(fetch.checksum),
                        "write sha256: and 64 hexadecimal digits");
    }
    const StepKey key = fetch_key(fetch);
    std::optional<FetchedContent> content;
    const bool may_reuse = services.options.offline || (expected && !ignore_cache);
    if (may_reuse) content = services.memos.find_fetched(key);
    if (content) services.lease.add(content->blob);
    const bool cached = content && services.store.blobs().has(content->blob);
    if (!cached) {
        if (services.options.offline)
            throw Error(ErrorKind::unavailable, printable(fetch.url) + ": was not fetched before",
                        "build once without --offline");
        content = download(fetch, expected, services);
        services.memos.put_fetched(key, *content);
    }
    layerstore::Entry file;
    file.mode = 0600;
    file.size = content->size;
    file.content = content->blob;
    file.mtime = {content->modified, 0};
    layerstore::TreeDelta delta =
        layerstore::TreeDelta::build({{ImagePath().child(fetch.file_name), layerstore::ChangeKind::put, file}});
    return {layerstore::apply(layerstore::Tree(), delta),
            std::make_shared<BlobContents>(services.store.blobs(), content->blob, fetch.url), cached};
}

}  // namespace imgbuild::builder
