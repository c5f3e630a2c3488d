// SPDX-License-Identifier: Apache-2.0
#pragma once

// For tests: a registry that holds images, which a test puts there and damages.

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "builder/fetch/registry_stub.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder::test {

/// The repository team/app of a registry on loopback.
class RegistryImages {
  public:
    std::string name(const std::string& rest) const { return stub_.domain() + "/team/app" + rest; }
    const std::string domain() const { return stub_.domain(); }

    /// What the registry answers under /v2/team/app/.
    void set(const std::string& target, const std::string& type, const std::string& body) {
        std::lock_guard lock(mutex_);
        answers_["/v2/team/app/" + target] = {"Content-Type: " + type + "\r\n", body};
    }
    layerstore::Descriptor add_blob(std::string_view type, const std::string& bytes) {
        layerstore::Descriptor blob = describe(type, bytes);
        set("blobs/" + blob.digest.text(), "application/octet-stream", bytes);
        return blob;
    }
    layerstore::Descriptor add_document(std::string_view type, const std::string& bytes) {
        layerstore::Descriptor document = describe(type, bytes);
        set("manifests/" + document.digest.text(), document.media_type, bytes);
        bytes_[document.digest] = bytes;
        return document;
    }
    /// An image of one layer for linux/`architecture`; the descriptor names the platform.
    layerstore::Descriptor add_image(const std::string& architecture, const std::string& layer) {
        layerstore::ImageConfig config;
        config.platform.architecture = architecture;
        config.diff_ids = {{Sha256::of(layer)}};
        layerstore::Manifest manifest{.media_type = std::string(layerstore::media_type::oci_manifest)};
        manifest.config = add_blob(layerstore::media_type::oci_config, config.encode());
        manifest.layers = {add_blob(layerstore::media_type::oci_layer, layer)};
        layerstore::Descriptor document = add_document(manifest.media_type, manifest.encode());
        document.platform = config.platform;
        return document;
    }
    layerstore::Descriptor add_index(const std::vector<layerstore::Descriptor>& manifests) {
        layerstore::Index index{.media_type = std::string(layerstore::media_type::oci_index), .manifests = manifests};
        return add_document(index.media_type, index.encode());
    }
    void tag(const std::string& tag, const layerstore::Descriptor& document) {
        set("manifests/" + tag, document.media_type, bytes_.at(document.digest));
    }

    /// How often a target that begins with this was asked for.
    std::size_t asked(const std::string& target = "") const {
        const std::vector<StubRequest> all = stub_.requests();
        return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const StubRequest& request) {
            return request.target.starts_with("/v2/team/app/" + target);
        }));
    }

  private:
    static layerstore::Descriptor describe(std::string_view type, const std::string& bytes) {
        return {.media_type = std::string(type), .digest = Sha256::of(bytes), .size = bytes.size()};
    }
    void answer(const StubRequest& request, StubReply& reply) {
        std::lock_guard lock(mutex_);
        const auto found = answers_.find(request.target);
        if (found == answers_.end()) return reply.send(404, "", "");
        reply.send(200, found->second.first, found->second.second);
    }

    std::mutex mutex_;
    std::map<std::string, std::pair<std::string, std::string>> answers_;
    std::map<Digest, std::string> bytes_;
    RegistryStub stub_{[this](const StubRequest& request, StubReply& reply) { answer(request, reply); }};
};

}  // namespace imgbuild::builder::test
