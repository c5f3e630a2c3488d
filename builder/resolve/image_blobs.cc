// SPDX-License-Identifier: Apache-2.0
#include "builder/resolve/detail/image_blobs.h"

#include <fmt/format.h>

#include "base/error.h"
#include "builder/fetch/documents.h"
#include "builder/resolve/image_finder.h"

namespace imgbuild::builder::detail {
namespace {

using layerstore::BlobStore;
using layerstore::Descriptor;

class RegistryBlobs final : public BlobProvider {
  public:
    RegistryBlobs(BlobPlace place, layerstore::Reference reference, std::string refusal)
        : place_(std::move(place)), reference_(std::move(reference)), refusal_(std::move(refusal)) {}

    void bring(const Descriptor& blob) override {
        place_.under_way->once(place_.store.blobs(), blob, [&] { fetch(blob); });
    }

  private:
    void fetch(const Descriptor& blob) {
        const std::string name = fmt::format("blob {}", blob.digest.text());
        if (!refusal_.empty())
            throw Error(ErrorKind::unavailable, fmt::format("{}: {}: not in the store", place_.what, name), refusal_);
        ask_registry(place_.what, [&] { bring_blob(reference_, blob, place_.store.blobs()); });
    }

    BlobPlace place_;
    layerstore::Reference reference_;
    std::string refusal_;
};

class LayoutBlobs final : public BlobProvider {
  public:
    LayoutBlobs(BlobPlace place, const Directory& directory)
        : place_(std::move(place)), layout_(directory.duplicate(), Directory()) {}

    void bring(const Descriptor& blob) override {
        const BlobStore& store = place_.store.blobs();
        place_.under_way->once(store, blob, [&] { layerstore::copy_blob(layout_, store, blob, place_.what); });
    }

  private:
    BlobPlace place_;
    BlobStore layout_;
};

class EmbeddedBlobs final : public BlobProvider {
  public:
    explicit EmbeddedBlobs(BlobPlace place) : place_(std::move(place)) {}

    void bring(const Descriptor& blob) override {
        place_.under_way->once(place_.store.blobs(), blob, [&] { default_base(place_.store); });
    }

  private:
    BlobPlace place_;
};

}  // namespace

void BlobsUnderWay::once(const BlobStore& store, const Descriptor& blob, const std::function<void()>& fetch) {
    std::unique_lock lock(mutex_);
    for (;;) {
        if (store.size(blob.digest) == blob.size) return;
        if (under_way_.insert(blob.digest).second) break;
        changed_.wait(lock);
    }
    struct Arrival {
        BlobsUnderWay& all;
        std::unique_lock<std::mutex>& lock;
        const Digest& blob;
        ~Arrival() {
            lock.lock();
            all.under_way_.erase(blob);
            all.changed_.notify_all();
        }
    } arrival{*this, lock, blob.digest};
    lock.unlock();
    fetch();
}

std::shared_ptr<BlobProvider> registry_blobs(BlobPlace place, layerstore::Reference reference, std::string refusal) {
    return std::make_shared<RegistryBlobs>(std::move(place), std::move(reference), std::move(refusal));
}

std::shared_ptr<BlobProvider> layout_blobs(BlobPlace place, const Directory& directory) {
    return std::make_shared<LayoutBlobs>(std::move(place), directory);
}

std::shared_ptr<BlobProvider> embedded_blobs(BlobPlace place) {
    return std::make_shared<EmbeddedBlobs>(std::move(place));
}

}  // namespace imgbuild::builder::detail
