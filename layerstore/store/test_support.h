// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of the store share: a place for one, images in it, and hands that damage it.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "layerstore/store/store.h"

namespace imgbuild::layerstore::test {

using imgbuild::test::refusal;

struct StorePlace {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    std::string path = scratch.path() + "/store";

    std::unique_ptr<Store> open() const { return Store::open(path); }

    void overwrite(const std::string& name, const std::string& content) const {
        const std::string file = path + "/" + name;
        ::unlink(file.c_str());
        Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        REQUIRE(fd);
        FdWriter(fd.get(), file).write(as_bytes(content));
    }
    bool has(const std::string& name) const { return ::access((path + "/" + name).c_str(), F_OK) == 0; }
    void sql(const std::string& statement) const {
        sqlite3* handle = nullptr;
        REQUIRE(sqlite3_open((path + "/store.db").c_str(), &handle) == SQLITE_OK);
        CHECK(sqlite3_exec(handle, statement.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(handle);
    }
};

inline Descriptor put_blob(Store& store, std::string_view type, std::string_view bytes) {
    return {.media_type = std::string(type), .digest = store.blobs().put(bytes), .size = bytes.size()};
}

/// An image whose layers are the given bytes.
inline Descriptor put_image(Store& store, const std::vector<std::string>& layers) {
    ImageConfig config;
    config.platform.architecture = "amd64";
    Manifest manifest{.media_type = std::string(media_type::oci_manifest)};
    for (const std::string& layer : layers) {
        config.diff_ids.push_back({Sha256::of(layer)});
        manifest.layers.push_back(put_blob(store, media_type::oci_layer, layer));
    }
    manifest.config = put_blob(store, media_type::oci_config, config.encode());
    Descriptor descriptor = put_blob(store, media_type::oci_manifest, manifest.encode());
    descriptor.platform = config.platform;
    return descriptor;
}

}  // namespace imgbuild::layerstore::test
