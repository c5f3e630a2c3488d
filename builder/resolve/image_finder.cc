// SPDX-License-Identifier: Apache-2.0
#include "builder/resolve/image_finder.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "builder/fetch/short_names.h"
#include "builder/resolve/detail/embedded_image.h"
#include "builder/resolve/detail/image_blobs.h"
#include "builder/resolve/detail/layout_place.h"
#include "builder/resolve/detail/registry_image.h"
#include "builder/resolve/detail/source_memo.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {
namespace {

using layerstore::Image;
using layerstore::Platform;
using layerstore::Reference;
using Resolved = std::shared_ptr<const ResolvedImage>;

// What is looked for.
struct Wanted {
    const std::string& name;  ///< as the user wrote it
    Reference reference;
    const Platform& platform;
    std::string what;  ///< begins errors
};

// A name in the store stands for one platform often: whoever wants another one is not served by it.
bool fits(const Platform& found, const Platform& wanted) {
    const Platform normal = found.normalised();
    const std::vector<Platform> list = wanted.acceptable();
    return normal.architecture.empty() || std::any_of(list.begin(), list.end(), [&](const Platform& one) {
               return one.os == normal.os && one.architecture == normal.architecture && one.variant == normal.variant;
           });
}

detail::SourceKey key_of(const Wanted& wanted) {
    detail::SourceKey key;
    key.add("source", "image").add("reference", wanted.reference.full()).add("platform", wanted.platform.text());
    return key;
}

class ImageFinder final : public ImageResolver {
  public:
    ImageFinder(layerstore::Store& store, PullPolicy policy, bool offline)
        : store_(store), policy_(policy), offline_(offline) {}

    Resolved resolve(const std::string& reference, const Platform& platform) override;
    Resolved resolve_layout(const std::string& place, const Platform& platform) override;

  private:
    Resolved resolve_whole(const std::string& reference, const Platform& platform);
    std::optional<Image> find_named(const Wanted& wanted);
    Resolved pull(const Wanted& wanted);
    std::string refusal(const std::string& name) const;
    std::string platforms_of(const layerstore::Descriptor& descriptor, const std::string& what) const;
    detail::BlobPlace place(const std::string& what) const { return {store_, under_way_, what}; }
    std::shared_ptr<BlobProvider> blobs_of(const Wanted& wanted) const {
        return detail::registry_blobs(place(wanted.what), wanted.reference, refusal(wanted.name));
    }

    layerstore::Store& store_;
    PullPolicy policy_;
    bool offline_;
    std::shared_ptr<detail::BlobsUnderWay> under_way_ = std::make_shared<detail::BlobsUnderWay>();
};

Resolved resolved(const std::string& name, Image image, std::shared_ptr<BlobProvider> blobs) {
    return std::make_shared<ResolvedImage>(ResolvedImage{name, std::move(image), std::move(blobs)});
}

// What to do where no registry may be asked; empty where one may.
std::string ImageFinder::refusal(const std::string& name) const {
    if (offline_) return fmt::format("`imgbuild pull {}` first, or build without --offline", name);
    if (policy_ == PullPolicy::never)
        return fmt::format("`imgbuild pull {}` first, or build without --pull=never", name);
    return {};
}

std::string ImageFinder::platforms_of(const layerstore::Descriptor& descriptor, const std::string& what) const {
    std::vector<std::string> platforms;
    for (const Image& image : store_.read_images(descriptor, Platform::host(), what))
        platforms.push_back(printable(image.config.platform.normalised().text()));
    return join(platforms, ", ");
}

// By a digest it is the same image whatever it is called.
std::optional<Image> ImageFinder::find_named(const Wanted& wanted) {
    auto found = store_.find_image(wanted.reference.full());
    if (!found && wanted.reference.digest) found = store_.find_image("@" + wanted.reference.digest->text());
    if (!found) return std::nullopt;
    try {
        Image image = store_.read_image(found->descriptor, wanted.platform, wanted.what);
        if (fits(image.config.platform, wanted.platform)) return image;
    } catch (const Error& error) {
        // An index without this platform, or of which only some platforms are here.
        if (error.kind() != ErrorKind::not_found) throw;
    }
    return std::nullopt;
}

Resolved ImageFinder::pull(const Wanted& wanted) {
    const auto blobs = blobs_of(wanted);
    detail::PulledImage pulled = detail::pull_image(store_, wanted.reference, wanted.platform, *blobs, wanted.what);
    detail::remember_image(store_, key_of(wanted), pulled.document);
    return resolved(wanted.name, std::move(pulled.image), blobs);
}

Resolved ImageFinder::resolve(const std::string& reference, const Platform& platform) {
    // What came with the program has this name whatever others mean by it.
    if (detail::is_embedded(Reference::parse(reference), platform)) return resolve_whole(reference, platform);
    const std::vector<std::string> names = expand_short_name(reference).names;
    if (names.size() > 1)
        for (const std::string& name : names) {
            const Wanted wanted{name, Reference::parse(name), platform, "image " + name};
            if (policy_ != PullPolicy::always && find_named(wanted)) return resolve_whole(name, platform);
        }
    for (std::size_t i = 0; i + 1 < names.size(); ++i) try {
            return resolve_whole(names[i], platform);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::unavailable && error.kind() != ErrorKind::not_found) throw;
        }
    return resolve_whole(names.back(), platform);
}

Resolved ImageFinder::resolve_whole(const std::string& reference, const Platform& platform) {
    const Wanted wanted{reference, Reference::parse(reference), platform, "image " + reference};
    const bool is_embedded = detail::is_embedded(wanted.reference, platform);
    const std::string refused = refusal(reference);
    // A digest cannot come to mean something else.
    if (policy_ == PullPolicy::always && refused.empty() && !wanted.reference.digest && !is_embedded)
        return pull(wanted);
    if (auto image = find_named(wanted)) return resolved(reference, *std::move(image), blobs_of(wanted));
    if (is_embedded) return resolved(reference, default_base(store_), detail::embedded_blobs(place(wanted.what)));
    if (auto image = detail::recall_image(store_, key_of(wanted), platform, wanted.what))
        return resolved(reference, *std::move(image), blobs_of(wanted));
    if (refused.empty()) return pull(wanted);
    const auto of_others = store_.find_image(wanted.reference.full());
    throw Error(ErrorKind::unavailable,
                of_others ? fmt::format("{}: not in the store for {}, but for {}", reference, platform.text(),
                                        platforms_of(of_others->descriptor, wanted.what))
                          : fmt::format("{}: not in the store", reference),
                refused);
}

Resolved ImageFinder::resolve_layout(const std::string& place_text, const Platform& platform) {
    const detail::LayoutPlace found = detail::read_layout_place(place_text);
    const std::string name = "oci-layout://" + place_text;
    const std::string what = "image " + printable(name);
    const Directory directory = Directory::open_host(found.path);
    const layerstore::Descriptor document =
        layerstore::find_in_layout(layerstore::read_layout_index(directory), found.selector, what);
    Image image = layerstore::read_image(layerstore::BlobStore(directory.duplicate(), {}), document, platform, what);
    auto blobs = detail::layout_blobs(place(what), directory);
    blobs->bring(image.descriptor);
    blobs->bring(image.manifest.config);
    return resolved(name, std::move(image), std::move(blobs));
}

}  // namespace

std::unique_ptr<ImageResolver> make_image_finder(layerstore::Store& store, PullPolicy policy, bool offline) {
    return std::make_unique<ImageFinder>(store, policy, offline);
}

}  // namespace imgbuild::builder
