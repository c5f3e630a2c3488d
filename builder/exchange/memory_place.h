// SPDX-License-Identifier: Apache-2.0
#pragma once

// For tests: a place in memory that a test may look into and come between.

#include <fcntl.h>

#include <map>
#include <mutex>
#include <string>

#include "base/error.h"
#include "builder/exchange/cache_place.h"

namespace imgbuild::builder {

class MemoryPlace final : public CachePlace {
  public:
    const std::string& name() const override { return name_; }

    std::optional<std::string> read_manifest() override {
        const std::lock_guard lock(mutex_);
        ++looks;
        return manifest;
    }

    void read_blob(const layerstore::Descriptor& blob, ByteWriter& out) override {
        const std::lock_guard lock(mutex_);
        const auto found = blobs.find(blob.digest);
        if (found == blobs.end()) throw Error(ErrorKind::not_found, "memory: no such blob");
        out.write(as_bytes(found->second));
    }

    bool has_blob(const layerstore::Descriptor& blob) override {
        const std::lock_guard lock(mutex_);
        return blobs.contains(blob.digest);
    }

    void write_blob(const layerstore::Descriptor& blob, const Fd& file) override {
        FilePartReader bytes(std::make_shared<Fd>(file.duplicate()), 0, blob.size, name_);
        std::string text = read_all(bytes, blob.size, name_);
        const std::lock_guard lock(mutex_);
        blobs[Sha256::of(text)] = std::move(text);
    }

    void change_manifest(const Change& change) override {
        const auto bytes = change(read_manifest());
        if (!bytes) return;
        const std::lock_guard lock(mutex_);
        manifest = bytes;
        ++changes;
        if (after_change) after_change(changes);
    }

    std::chrono::seconds pause() const override { return between; }
    std::chrono::milliseconds settling() const override { return settles; }

    std::optional<std::string> manifest;
    std::map<Digest, std::string> blobs;
    int looks = 0;
    int changes = 0;
    std::chrono::seconds between{0};
    std::chrono::milliseconds settles{0};
    std::function<void(int)> after_change;  ///< under the lock, with the number of changes so far

  private:
    std::mutex mutex_;
    std::string name_ = "memory";
};

}  // namespace imgbuild::builder
