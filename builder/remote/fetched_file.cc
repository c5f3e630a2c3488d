// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/fetched_file.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/fetch/fetch.h"

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

std::optional<Digest> parse_checksum(const std::string& text) {
    if (text.empty()) return std::nullopt;
    std::optional<Digest> digest = Digest::parse(text);
    if (!digest)
        throw Error(ErrorKind::usage, "unsupported digest: " + printable(text),
                    "write sha256: and 64 hexadecimal digits");
    return digest;
}

// Empty where the server says that `known` is what it still has.
std::optional<FetchedContent> download(const std::string& url, const std::optional<Digest>& expected,
                                       const FetchedContent* known, RemoteAccess& access) {
    UrlRequest request{url, http_authorization(access, url), {}, {}};
    if (known) {
        request.etag = known->etag;
        if (known->etag.empty() && known->modified != 0) request.modified_since = known->modified;
    }
    std::unique_ptr<layerstore::BlobWriter> blob = access.store.blobs().begin();
    const std::optional<FetchedFile> file = fetch_url(request, *blob);
    if (!file) return std::nullopt;
    if (expected && file->digest != *expected)
        throw Error(ErrorKind::unavailable,
                    fmt::format("digest mismatch: {} gave {}, expected {}", printable(url), file->digest.text(),
                                expected->text()),
                    "the file changed, or the checksum is wrong");
    access.lease.add(file->digest);
    blob->commit_expecting(file->digest, file->size, url);
    return FetchedContent{file->digest, file->size, file->last_modified.value_or(0), file->etag};
}

}  // namespace

RemoteFile fetch_to_store(const std::string& url, const std::string& checksum, RemoteAccess& access) {
    const std::optional<Digest> expected = parse_checksum(checksum);
    const StepKey key = fetch_key({url, checksum, {}});
    std::optional<FetchedContent> known;
    if (access.offline || !access.ignore_cache) known = access.memos.find_fetched(key);
    if (known) access.lease.add(known->blob);
    if (known && !access.store.blobs().has(known->blob)) known.reset();
    if (known && (access.offline || expected)) return {std::move(*known), true};
    if (access.offline)
        throw Error(ErrorKind::unavailable, printable(url) + ": was not fetched before",
                    "build once without --offline");
    std::optional<FetchedContent> content = download(url, expected, known ? &*known : nullptr, access);
    if (!content) return {std::move(*known), true};
    access.memos.put_fetched(key, *content);
    return {std::move(*content), false};
}

std::shared_ptr<layerstore::ContentSource> contents_of(const FetchedContent& content, const std::string& url,
                                                       layerstore::Store& store) {
    return std::make_shared<BlobContents>(store.blobs(), content.blob, url);
}

}  // namespace imgbuild::builder
