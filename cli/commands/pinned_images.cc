// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/pinned_images.h"

#include <fmt/format.h>

#include <functional>
#include <initializer_list>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "builder/attest/purl.h"
#include "cli/commands/image_tree.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

using Resolved = std::shared_ptr<const builder::ResolvedImage>;

class PinnedImages final : public builder::ImageResolver {
  public:
    PinnedImages(std::unique_ptr<builder::ImageResolver> finder, const std::vector<ImagePin>& pins,
                 layerstore::Store& store)
        : finder_(std::move(finder)), pins_(pins), store_(store) {}

    Resolved resolve(const std::string& reference, const layerstore::Platform& platform) override {
        const ImagePin* pin = find(reference, platform);
        if (!pin) return finder_->resolve(reference, platform);
        std::string reason;
        const auto matches = [&](const Resolved& found) {
            return found && found->image.descriptor.digest.text() == pin->digest;
        };
        for (const auto& find_it : {std::function([&] { return finder_->resolve(reference, platform); }),
                                    std::function([&] { return find_unnamed(*pin, reference); }), std::function([&] {
                                        return finder_->resolve(by_digest(reference, pin->digest), platform);
                                    })}) {
            try {
                if (const Resolved found = find_it(); matches(found)) return with_name(*found, reference);
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
    // Under the name that it has in the plan.
    static Resolved with_name(builder::ResolvedImage image, const std::string& reference) {
        image.name = reference;
        return std::make_shared<const builder::ResolvedImage>(std::move(image));
    }

    // What a name stood for once may be there without it, until it is collected.
    Resolved find_unnamed(const ImagePin& pin, const std::string& reference) {
        const std::optional<Digest> digest = Digest::parse(pin.digest);
        const auto size = digest ? store_.blobs().size(*digest) : std::nullopt;
        if (!size) return nullptr;
        const std::string what = "image " + printable(reference);
        const auto manifest =
            layerstore::Manifest::parse(store_.blobs().read(*digest, layerstore::max_manifest_bytes, what), "", what);
        const layerstore::Descriptor descriptor{.media_type = manifest.media_type, .digest = *digest, .size = *size};
        return image_of_store(store_, reference, store_.read_image(descriptor, layerstore::Platform::host(), what));
    }

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
    layerstore::Store& store_;
};

}  // namespace

std::unique_ptr<builder::ImageResolver> pin_images(std::unique_ptr<builder::ImageResolver> finder,
                                                   const std::vector<ImagePin>& pins, layerstore::Store& store) {
    if (pins.empty()) return finder;
    return std::make_unique<PinnedImages>(std::move(finder), pins, store);
}

}  // namespace imgbuild::cli
