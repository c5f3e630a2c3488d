// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/fetch_step.h"

#include "builder/remote/fetched_file.h"
#include "builder/remote/git_files.h"
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

}  // namespace

FetchOutcome fetch_file(const FetchUrl& fetch, Services& services, bool ignore_cache) {
    RemoteAccess access = services.remote(ignore_cache);
    const auto [content, cached] = fetch_to_store(fetch.url, fetch.checksum, access);
    layerstore::Entry file;
    file.mode = 0600;
    file.size = content.size;
    file.content = content.blob;
    file.mtime = {content.modified, 0};
    layerstore::TreeDelta delta =
        layerstore::TreeDelta::build({{ImagePath().child(fetch.file_name), layerstore::ChangeKind::put, file}});
    return {layerstore::apply(layerstore::Tree(), delta),
            std::make_shared<BlobContents>(services.store.blobs(), content.blob, fetch.url),
            cached,
            {}};
}

FetchOutcome fetch_git(const FetchGit& fetch, Services& services, bool ignore_cache) {
    RemoteAccess access = services.remote(ignore_cache);
    GitFiles files = fetch_git_files(fetch.source, fetch.keep_git_dir, access);
    return {std::move(files.tree), std::move(files.contents), files.cached, "commit " + files.commit};
}

}  // namespace imgbuild::builder
