// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/pinned_images.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/attest/purl.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

using Resolved = std::shared_ptr<const builder::ResolvedImage>;

class PinnedImages final : public builder::ImageResolver {
  public:
    PinnedImages(std::unique_ptr<builder::ImageResolver> finder, const std::vector<ImagePin>& pins)
        : finder_(std::move(finder)), pins_(pins) {}

    Resolved resolve(const std::string& reference, const layerstore::Platform& platform) override {
        const ImagePin* pin = find(reference, platform);
        if (!pin) return finder_->resolve(reference, platform);
        std::string reason;
        for (const std::string& name : {reference, by_digest(reference, pin->digest)}) {
            try {
                const Resolved found = finder_->resolve(name, platform);
                if (found->image.descriptor.digest.text() != pin->digest) continue;
                builder::ResolvedImage image = *found;
                image.name = reference;
                return std::make_shared<const builder::ResolvedImage>(std::move(image));
            } catch (const Error& error) {
                if (error.kind() == ErrorKind::interrupted) throw;
                reason = ": " + error.full_message();
            }
        }
        throw Error(ErrorKind::not_found,
                    fmt::format("base image {}: was {}, which is not to be had any more{}", printable(reference),
                                pin->digest, reason),
                    "bring it to the store by its digest, if somebody still has it");
    }

    Resolved resolve_layout(const std::string& place, const layerstore::Platform& platform) override {
        return finder_->resolve_layout(place, platform);
    }

  private:
    static std::string by_digest(const std::string& reference, const std::string& digest) {
        return layerstore::Reference::parse(reference).name() + "@" + digest;
    }

    const ImagePin* find(const std::string& reference, const layerstore::Platform& platform) const {
        const std::string wanted = platform.normalised().text();
        const ImagePin* other = nullptr;
        std::size_t count = 0;
        for (const ImagePin& pin : pins_) {
            const bool is_url = pin.reference.starts_with("pkg:");
            if (is_url && pin.reference == builder::image_purl(reference, platform)) return &pin;
            if (pin.reference != reference) continue;
            if (pin.platform == wanted) return &pin;
            other = &pin;
            ++count;
        }
        // An image of another platform that runs on the wanted one.
        return count == 1 ? other : nullptr;
    }

    std::unique_ptr<builder::ImageResolver> finder_;
    const std::vector<ImagePin>& pins_;
};

}  // namespace

std::unique_ptr<builder::ImageResolver> pin_images(std::unique_ptr<builder::ImageResolver> finder,
                                                   const std::vector<ImagePin>& pins) {
    if (pins.empty()) return finder;
    return std::make_unique<PinnedImages>(std::move(finder), pins);
}

}  // namespace imgbuild::cli
