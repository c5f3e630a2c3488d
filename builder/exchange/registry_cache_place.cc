// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/exchange/cache_place.h"
#include "builder/fetch/fetch.h"

namespace imgbuild::builder {
namespace {

using layerstore::Descriptor;

class RegistryCachePlace final : public CachePlace {
  public:
    explicit RegistryCachePlace(layerstore::Reference reference)
        : reference_(std::move(reference)), name_("cache " + printable(reference_.familiar())) {}

    const std::string& name() const override { return name_; }

    std::optional<std::string> read_manifest() override {
        return with_context(name_, [&] { return fetch_manifest(reference_).bytes; });
    }

    void read_blob(const Descriptor& blob, ByteWriter& out) override {
        with_context(name_, [&] {
            if (!layerstore::is_index(blob.media_type) && !layerstore::is_manifest(blob.media_type))
                return fetch_blob(reference_, blob, out);
            layerstore::Reference document = reference_;
            document.digest = blob.digest;
            out.write(as_bytes(fetch_manifest(document).bytes));
        });
    }

    bool has_blob(const Descriptor&) override { return false; }

    void write_blob(const Descriptor&, const Fd&) override { refuse(); }

    void change_manifest(const Change&) override { refuse(); }

  private:
    [[noreturn]] void refuse() const {
        throw Error(ErrorKind::unsupported, fmt::format("{}: imgbuild does not push", name_));
    }

    layerstore::Reference reference_;
    std::string name_;
};

}  // namespace

std::shared_ptr<CachePlace> registry_cache_place(const layerstore::Reference& reference) {
    return std::make_shared<RegistryCachePlace>(reference);
}

}  // namespace imgbuild::builder
