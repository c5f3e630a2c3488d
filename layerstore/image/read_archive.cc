// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <map>
#include <set>

#include "base/compression.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "layerstore/image/archive.h"
#include "layerstore/image/detail/document.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"
#include "layerstore/layer/tar_reader.h"

namespace imgbuild::layerstore {
namespace {

constexpr std::size_t max_archive_entries = 100'000;

[[noreturn]] void refuse(const std::string& what, const std::string& reason) {
    throw Error(ErrorKind::invalid_input, fmt::format("{}: {}", what, reason));
}

struct StoredFile {
    Digest digest;
    std::uint64_t size = 0;
    Compression compression = Compression::none;
};

class EntryReader final : public ByteReader {
  public:
    explicit EntryReader(TarReader& tar) : tar_(tar) {}
    std::size_t read(std::span<std::byte> buffer) override { return tar_.read(buffer); }

  private:
    TarReader& tar_;
};

// Everything in an archive by its name: documents in memory, other files as blobs under their own digests. An
// archive is read once from its front to its end, and what it means stands at its end.
class ArchiveContent {
  public:
    ArchiveContent(ByteReader& in, const BlobStore& blobs, std::string what) : blobs_(blobs), what_(std::move(what)) {
        TarReader tar(in, what_, {.max_entries = max_archive_entries});
        while (auto entry = tar.next()) add(tar, *entry);
    }

    const std::string* document(const char* name) const {
        auto found = documents_.find(ImagePath::clean(name));
        return found == documents_.end() ? nullptr : &found->second;
    }

    /// The file that a name of the archive's own documents means, links followed inside the archive.
    const StoredFile& file(const std::string& name) const {
        auto path = ImagePath::parse_strict(name);
        if (!path) refuse(what_, fmt::format("\"{}\" is no name inside an archive", printable(name)));
        for (int links = 0; links < 40; ++links) {
            if (auto found = files_.find(*path); found != files_.end()) return found->second;
            auto link = links_.find(*path);
            if (link == links_.end()) break;
            path = link->second;
        }
        refuse(what_, fmt::format("has no file \"{}\"", printable(name)));
    }

  private:
    static bool is_document(const ImagePath& path) {
        return path.bytes() == "/index.json" || path.bytes() == "/manifest.json" || path.bytes() == "/oci-layout";
    }

    void add(TarReader& tar, const TarEntry& entry) {
        auto path = ImagePath::parse_strict(entry.name);
        if (!path) refuse(what_, fmt::format("entry \"{}\": the name leaves the archive", printable(entry.name)));
        if (entry.entry.is_directory()) return;
        if (!seen_.insert(*path).second) refuse(what_, fmt::format("entry {}: stands twice", printable(entry.name)));
        EntryReader data(tar);
        if (entry.is_hard_link)
            links_[*path] = ImagePath::clean(entry.link_name);
        else if (entry.entry.kind == EntryKind::symlink)
            links_[*path] = target_of(*path, entry.entry.link_target);
        else if (entry.entry.is_file() && is_document(*path))
            documents_[*path] = read_all(data, json_max_bytes, what_ + ": " + printable(entry.name));
        else if (entry.entry.is_file())
            files_[*path] = store(data, *path);
    }

    static ImagePath target_of(const ImagePath& link, const std::string& target) {
        return ImagePath::clean(target.starts_with("/") ? target : link.parent().bytes() + "/" + target);
    }

    StoredFile store(ByteReader& data, const ImagePath& path) {
        StoredFile file;
        auto writer = blobs_.begin();
        std::string first;
        while (std::size_t count = data.read(block_.bytes())) {
            const auto bytes = std::span<const std::byte>(block_.bytes()).first(count);
            if (first.size() < 4) first += as_text(bytes).substr(0, 4 - first.size());
            writer->write(bytes);
        }
        file.size = writer->size();
        file.compression = detect_compression(first);
        const auto promised = path.parent().bytes() == "/blobs/sha256" ? Digest::from_hex(path.name()) : std::nullopt;
        if (promised) {
            writer->commit_expecting(*promised, file.size, what_ + ": " + path.bytes().substr(1));
            file.digest = *promised;
        } else {
            file.digest = writer->commit();
        }
        return file;
    }

    const BlobStore& blobs_;
    std::string what_;
    StreamBlock block_;
    std::set<ImagePath> seen_;
    std::map<ImagePath, std::string> documents_;
    std::map<ImagePath, StoredFile> files_;
    std::map<ImagePath, ImagePath> links_;
};

std::vector<std::string> full_names(const std::vector<std::string>& names, const std::string& what) {
    std::vector<std::string> list;
    for (const std::string& name : names)
        list.push_back(with_context(what, [&] { return Reference::parse(name).full(); }));
    return list;
}

// One image of manifest.json, the older form: names of files instead of digests.
struct DockerEntry {
    std::string config;
    std::vector<std::string> layers;
    std::vector<std::string> names;
};

std::vector<DockerEntry> docker_entries(const std::string& document, const std::string& what) {
    const std::string place = what + ": manifest.json";
    const Json list = parse_json(document, place);
    if (!list.is_array()) refuse(place, "expected an array");
    std::vector<DockerEntry> entries;
    for (const Json& item : list) {
        detail::require_object(item, place);
        DockerEntry entry;
        entry.config = required_string(item, "Config", place);
        entry.layers = detail::string_list(item, "Layers", place).value_or(std::vector<std::string>());
        entry.names =
            full_names(detail::string_list(item, "RepoTags", place).value_or(std::vector<std::string>()), place);
        entries.push_back(std::move(entry));
    }
    return entries;
}

Image image_of(const DockerEntry& entry, const ArchiveContent& content, const BlobStore& blobs,
               const std::string& what) {
    const StoredFile& config = content.file(entry.config);
    Image image;
    image.config_bytes = blobs.read(config.digest, max_config_bytes, what);
    image.config = ImageConfig::parse(image.config_bytes, what + ": config");
    image.manifest.media_type = media_type::oci_manifest;
    image.manifest.config = {std::string(media_type::oci_config), config.digest, config.size, {}, {}, {}};
    if (entry.layers.size() > max_layers) refuse(what, fmt::format("more than {} layers", max_layers));
    for (const std::string& name : entry.layers) {
        const StoredFile& layer = content.file(name);
        image.manifest.layers.push_back(
            {std::string(oci_layer_type(layer.compression)), layer.digest, layer.size, {}, {}, {}});
    }
    check_image(image, what);
    // A layer as plain tar is its own diff ID; that of a compressed one shows when it is unpacked.
    for (std::size_t i = 0; i < entry.layers.size(); ++i)
        if (content.file(entry.layers[i]).compression == Compression::none &&
            image.manifest.layers[i].digest != image.config.diff_ids[i].value)
            refuse(what, fmt::format("{}: its content is {}, but the config says {}", printable(entry.layers[i]),
                                     image.manifest.layers[i].digest.text(), image.config.diff_ids[i].value.text()));
    image.manifest_bytes = image.manifest.encode();
    image.descriptor = {std::string(media_type::oci_manifest),
                        blobs.put(image.manifest_bytes),
                        image.manifest_bytes.size(),
                        {},
                        image.config.platform,
                        {}};
    return image;
}

LoadedImage load_docker_entry(const DockerEntry& entry, const ArchiveContent& content, const BlobStore& blobs,
                              const std::string& what) {
    LoadedImage loaded{.image = image_of(entry, content, blobs, what), .root = {}, .names = entry.names};
    loaded.root = loaded.image.descriptor;
    return loaded;
}

std::string image_name_of(const Descriptor& descriptor) {
    auto found = descriptor.annotations.find(std::string(annotation_image_name));
    return found == descriptor.annotations.end() ? std::string() : found->second;
}

// ref.name is a tag alone in most layouts; some tools write a whole name there.
std::string name_in(const Descriptor& descriptor) {
    if (std::string name = image_name_of(descriptor); !name.empty()) return name;
    auto found = descriptor.annotations.find(std::string(annotation_ref_name));
    if (found == descriptor.annotations.end() || found->second.find_first_of("/:") == std::string::npos) return {};
    return found->second;
}

bool has_all(const BlobStore& blobs, const Descriptor& root, const std::string& what) {
    bool is_whole = true;
    try {
        for_each_blob(blobs, root, what,
                      [&](const Descriptor& blob) { is_whole = is_whole && blobs.size(blob.digest) == blob.size; });
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return false;  // a document of a platform that was left out
    }
    return is_whole;
}

// An index stays one where the archive has all of it; of others the image for `platform` is taken.
LoadedImage load_entry(const Descriptor& entry, const BlobStore& blobs, const Platform& platform,
                       const std::string& what) {
    LoadedImage loaded;
    std::vector<Image> all;
    if (is_index(entry.media_type) && has_all(blobs, entry, what)) all = read_images(blobs, entry, platform, what);
    try {
        loaded.image = read_image(blobs, entry, platform, what);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found || all.empty()) throw;
        loaded.image = all.front();
    }
    for (const Descriptor& layer : loaded.image.manifest.layers)
        if (blobs.size(layer.digest) != layer.size)
            refuse(what, fmt::format("has no layer {} of {} bytes", layer.digest.text(), layer.size));
    loaded.root = all.empty() ? loaded.image.descriptor : entry;
    return loaded;
}

std::vector<LoadedImage> read_oci(const ArchiveContent& content, const BlobStore& blobs, const Platform& platform,
                                  const std::string& what) {
    const Index index = Index::parse(*content.document("index.json"), what + ": index.json");
    std::map<Digest, LoadedImage> images;
    std::vector<Digest> order;
    for (const Descriptor& descriptor : index.manifests) {
        if (descriptor.platform && descriptor.platform->is_unknown()) continue;  // what somebody attests of one
        if (!images.contains(descriptor.digest)) {
            order.push_back(descriptor.digest);
            images.emplace(descriptor.digest, load_entry(descriptor, blobs, platform, what));
        }
        if (const std::string name = name_in(descriptor); !name.empty())
            images.at(descriptor.digest).names.push_back(full_names({name}, what).front());
    }
    const std::string* docker = content.document("manifest.json");
    std::vector<LoadedImage> result;
    for (const Digest& digest : order) result.push_back(std::move(images.at(digest)));
    if (!docker) return result;
    for (const DockerEntry& entry : docker_entries(*docker, what))
        for (LoadedImage& loaded : result)
            if (loaded.names.empty() && content.file(entry.config).digest == loaded.image.manifest.config.digest)
                loaded.names = entry.names;
    return result;
}

}  // namespace

std::vector<LoadedImage> read_archive(ByteReader& in, const BlobStore& blobs, const Platform& platform,
                                      const std::string& what) {
    const auto plain = make_detecting_decompressor(in, what);
    const ArchiveContent content(*plain, blobs, what);
    std::vector<LoadedImage> images;
    if (content.document("index.json")) {
        images = read_oci(content, blobs, platform, what);
    } else if (const std::string* document = content.document("manifest.json")) {
        for (const DockerEntry& entry : docker_entries(*document, what))
            images.push_back(load_docker_entry(entry, content, blobs, what));
    } else {
        throw Error(ErrorKind::invalid_input, fmt::format("{}: has neither index.json nor manifest.json", what),
                    "an image archive is what `docker save` or `-o type=oci` writes; a root file system is taken by "
                    "`imgbuild import`");
    }
    if (images.empty()) refuse(what, "holds no image");
    return images;
}

}  // namespace imgbuild::layerstore
