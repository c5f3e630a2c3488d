// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/layout.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "layerstore/image/detail/document.h"
#include "layerstore/image/reference.h"

namespace imgbuild::layerstore {
namespace {

constexpr const char* marker_name = "oci-layout";
constexpr const char* index_name = "index.json";
constexpr std::string_view layout_hint = "an OCI image layout holds oci-layout, index.json and blobs/sha256/";

// Unlike Directory::read_file, links are refused: one to a host file would show that file's text in an error.
std::string read_plain(const Directory& layout, const char* name, std::uint64_t limit) {
    const std::string what = layout.name() + "/" + name;
    auto fd = layout.try_open(ImagePath().child(name), O_RDONLY | O_NONBLOCK, FollowLinks::never);
    if (!fd)
        throw Error(ErrorKind::not_found, fmt::format("read the layout: {}: missing", what), std::string(layout_hint));
    struct stat status {};
    if (::fstat(fd->get(), &status) < 0) throw_errno("stat", what);
    if (!S_ISREG(status.st_mode))
        throw Error(ErrorKind::invalid_input, fmt::format("read the layout: {}: not a regular file", what));
    return read_file(fd->get(), limit, what);
}

void check_marker(const Directory& layout) {
    const std::string what = layout.name() + "/" + marker_name;
    const Json marker = parse_json(read_plain(layout, marker_name, 64 * 1024), what);
    detail::require_object(marker, what);
    const std::string version = required_string(marker, "imageLayoutVersion", what);
    if (version != "1.0.0")
        throw Error(ErrorKind::unsupported,
                    fmt::format("{}: imageLayoutVersion: \"{}\" and not \"1.0.0\"", what, printable(version)));
}

std::string annotation(const Descriptor& descriptor, std::string_view name) {
    auto found = descriptor.annotations.find(std::string(name));
    return found == descriptor.annotations.end() ? std::string() : found->second;
}

bool is_named(const Descriptor& descriptor, std::string_view selector) {
    const std::string image = annotation(descriptor, annotation_image_name);
    if (annotation(descriptor, annotation_ref_name) == selector || image == selector) return true;
    try {
        return !image.empty() && image == Reference::parse(selector).full();
    } catch (const Error&) {
        return false;  // a ref.name need not be an image name
    }
}

std::string names_in(const Index& index) {
    std::set<std::string> names;
    for (const Descriptor& manifest : index.manifests) {
        const std::string ref = annotation(manifest, annotation_ref_name);
        const std::string image = annotation(manifest, annotation_image_name);
        names.insert(!image.empty() ? printable(image) : !ref.empty() ? printable(ref) : "@" + manifest.digest.text());
    }
    constexpr std::size_t shown = 10;
    std::vector<std::string> list(names.begin(), names.end());
    if (list.size() > shown) {
        const std::size_t more = list.size() - shown;
        list.resize(shown);
        list.push_back(fmt::format("and {} more", more));
    }
    return list.empty() ? "the layout holds no image" : "the layout holds " + join(list, ", ");
}

// A descriptor whose document is an index is replaced by the one inside that fits `platform`.
Descriptor resolve_index(const BlobStore& blobs, Descriptor descriptor, const Platform& platform,
                         const std::string& what) {
    for (int level = 0; is_index(descriptor.media_type); ++level) {
        if (level == max_index_levels)
            throw Error(ErrorKind::invalid_input,
                        fmt::format("{}: indexes are nested deeper than {}", what, max_index_levels));
        const auto reader = blobs.open(descriptor.digest, descriptor.size, what);
        const Index index = Index::parse(read_all(*reader, max_manifest_bytes, what), what);
        const Descriptor* found = index.find(platform);
        if (!found) {
            std::vector<std::string> there;
            for (const Descriptor& manifest : index.manifests)
                if (manifest.platform && !manifest.platform->is_unknown())
                    there.push_back(printable(manifest.platform->text()));
            throw Error(ErrorKind::not_found, fmt::format("{}: no image for {}", what, platform.text()),
                        there.empty() ? std::string() : "there is " + join(there, ", "));
        }
        descriptor = *found;
    }
    return descriptor;
}

void check_system(const Platform& found, const Platform& wanted, const std::string& what) {
    if (found.os == wanted.os) return;
    throw Error(ErrorKind::invalid_input,
                fmt::format("{}: the image is for {} and not for {}", what, printable(found.text()), wanted.os));
}

struct BlobWalk {
    const BlobStore& blobs;
    const std::string& what;
    const std::function<void(const Descriptor&)>& visit;
    std::set<Digest>& seen;

    // False for a blob that was visited before.
    bool take(const Descriptor& blob) const {
        if (!seen.insert(blob.digest).second) return false;
        visit(blob);
        return true;
    }

    void walk(const Descriptor& document, int level) const {
        if (!take(document)) return;
        const auto read = [&] { return blobs.read(document.digest, max_manifest_bytes, what); };
        if (is_index(document.media_type)) {
            if (level == max_index_levels)
                throw Error(ErrorKind::invalid_input,
                            fmt::format("{}: indexes are nested deeper than {}", what, max_index_levels));
            for (const Descriptor& inner : Index::parse(read(), what).manifests) walk(inner, level + 1);
        } else if (is_manifest(document.media_type)) {
            const Manifest manifest = Manifest::parse(read(), document.media_type, what);
            take(manifest.config);
            for (const Descriptor& layer : manifest.layers) take(layer);
        }
    }
};

}  // namespace

Index read_layout_index(const Directory& layout) {
    return Index::parse(read_layout_index_text(layout), layout.name() + "/" + index_name);
}

std::string read_layout_index_text(const Directory& layout) {
    check_marker(layout);
    return read_plain(layout, index_name, max_manifest_bytes);
}

void write_layout_index(const Directory& layout, const Index& index, Durability durability) {
    write_file_atomically(layout, index_name, index.encode(), durability);
}

void initialise_layout(const Directory& layout) {
    layout.make_directory(ImagePath::clean("blobs/sha256"));
    if (!layout.status(ImagePath().child(index_name)))
        write_layout_index(layout, {.media_type = std::string(media_type::oci_index)}, Durability::none);
    // Last: a directory with this file is a layout.
    if (!layout.status(ImagePath().child(marker_name)))
        write_file_atomically(layout, marker_name, layout_marker, Durability::none);
}

void set_name(Index& index, Descriptor manifest, const std::string& name, RefName style) {
    std::string ref = "latest";
    manifest.annotations.erase(std::string(annotation_image_name));
    if (!name.empty()) {
        const Reference reference = Reference::parse(name);
        manifest.annotations[std::string(annotation_image_name)] = reference.full();
        ref = style == RefName::familiar ? reference.familiar() : reference.tag;
    }
    if (!ref.empty()) manifest.annotations[std::string(annotation_ref_name)] = ref;
    const std::string image = annotation(manifest, annotation_image_name);
    auto is_replaced = [&](const Descriptor& other) {
        const std::string other_image = annotation(other, annotation_image_name);
        return other_image.empty() ? annotation(other, annotation_ref_name) == ref : other_image == image;
    };
    // In its place, so that naming an image again as it is named changes nothing.
    auto first = std::find_if(index.manifests.begin(), index.manifests.end(), is_replaced);
    if (first == index.manifests.end()) {
        index.manifests.push_back(std::move(manifest));
        return;
    }
    *first = std::move(manifest);
    index.manifests.erase(std::remove_if(first + 1, index.manifests.end(), is_replaced), index.manifests.end());
}

Descriptor find_in_layout(const Index& index, std::string_view selector, const std::string& what) {
    std::vector<const Descriptor*> found;
    for (const Descriptor& manifest : index.manifests) {
        const bool matches = selector.empty() || (selector.front() == '@' ? manifest.digest.text() == selector.substr(1)
                                                                          : is_named(manifest, selector));
        if (matches) found.push_back(&manifest);
    }
    if (found.empty())
        throw Error(ErrorKind::not_found,
                    selector.empty() ? fmt::format("{}: no image", what)
                                     : fmt::format("{}: no image \"{}\"", what, printable(selector)),
                    names_in(index));
    for (const Descriptor* other : found) {
        if (other->digest == found.front()->digest) continue;
        throw Error(ErrorKind::invalid_input,
                    selector.empty() ? fmt::format("{}: more than one image: say which", what)
                                     : fmt::format("{}: two images are called \"{}\"", what, printable(selector)),
                    names_in(index));
    }
    return *found.front();
}

Image read_image(const BlobStore& blobs, const Descriptor& descriptor, const Platform& platform,
                 const std::string& what) {
    Image image;
    image.descriptor = resolve_index(blobs, descriptor, platform, what);
    if (!is_manifest(image.descriptor.media_type))
        throw Error(ErrorKind::invalid_input, fmt::format("{}: \"{}\" is neither an image nor an index", what,
                                                          printable(image.descriptor.media_type)));
    if (image.descriptor.platform) check_system(image.descriptor.platform->normalised(), platform, what);
    const std::string manifest = what + ": manifest";
    const auto reader = blobs.open(image.descriptor.digest, image.descriptor.size, what);
    image.manifest_bytes = read_all(*reader, max_manifest_bytes, manifest);
    image.manifest = Manifest::parse(image.manifest_bytes, image.descriptor.media_type, manifest);
    if (is_image_config(image.manifest.config.media_type)) {
        const auto config = blobs.open(image.manifest.config.digest, image.manifest.config.size, what);
        image.config_bytes = read_all(*config, max_config_bytes, what + ": config");
        image.config = ImageConfig::parse(image.config_bytes, what + ": config");
    }
    check_image(image, what);
    check_system(image.config.platform, platform, what);
    image.descriptor.platform = image.config.platform;
    return image;
}

std::vector<Image> read_images(const BlobStore& blobs, const Descriptor& root, const Platform& platform,
                               const std::string& what) {
    if (!is_index(root.media_type)) return {read_image(blobs, root, platform, what)};
    const Index index = Index::parse(blobs.read(root.digest, max_manifest_bytes, what), what);
    std::vector<Image> images;
    for (const Descriptor& inner : index.manifests)
        if (inner.platform && !inner.platform->is_unknown())
            images.push_back(read_image(blobs, inner, inner.platform->normalised(), what));
    return images;
}

void for_each_blob(const BlobStore& blobs, const Descriptor& root, const std::string& what,
                   const std::function<void(const Descriptor&)>& visit) {
    std::set<Digest> seen;
    BlobWalk{blobs, what, visit, seen}.walk(root, 0);
}

void copy_blob(const BlobStore& from, const BlobStore& to, const Descriptor& blob, const std::string& what) {
    if (to.size(blob.digest) == blob.size) return;
    const auto reader = from.open(blob.digest, blob.size, what);
    auto writer = to.begin();
    copy_all(*reader, *writer);
    writer->commit_expecting(blob.digest, blob.size, what);
}

}  // namespace imgbuild::layerstore
