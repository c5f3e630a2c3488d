// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/archive.h"

#include <doctest/doctest.h>

#include "base/compression.h"
#include "base/error.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "layerstore/image/layout.h"
#include "layerstore/layer/tar_reader.h"
#include "layerstore/layer/tar_writer.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

struct Blobs {
    TemporaryDirectory place = TemporaryDirectory::create();
    BlobStore store{place.directory().make_directory(ImagePath::clean("root")), place.directory().duplicate()};

    Descriptor put(std::string_view type, std::string_view bytes) const {
        return {.media_type = std::string(type), .digest = store.put(bytes), .size = bytes.size()};
    }
    Image image(std::vector<std::string> layers) const {
        Image image;
        image.config.platform.architecture = "amd64";
        image.manifest.media_type = media_type::oci_manifest;
        for (const std::string& layer : layers) {
            image.config.diff_ids.push_back({Sha256::of(layer)});
            image.manifest.layers.push_back(put(media_type::oci_layer, layer));
        }
        image.config_bytes = image.config.encode();
        image.manifest.config = put(media_type::oci_config, image.config_bytes);
        image.manifest_bytes = image.manifest.encode();
        image.descriptor = put(media_type::oci_manifest, image.manifest_bytes);
        image.descriptor.platform = image.config.platform;
        return image;
    }
};

std::string archive_of(const Image& image, const std::vector<std::string>& names, const Blobs& blobs,
                       ArchiveFormat format) {
    MemoryWriter out;
    write_archive(image, names, blobs.store, format, out);
    return out.take();
}

std::vector<LoadedImage> load(const std::string& bytes, const Blobs& blobs) {
    MemoryReader in(bytes);
    return read_archive(in, blobs.store, Platform::parse("linux/amd64"), "save.tar");
}

std::string refusal(const std::string& bytes) {
    Blobs blobs;
    return test::refusal([&] { load(bytes, blobs); });
}

std::string file(const std::string& name, const std::string& content) {
    Entry entry;
    entry.size = content.size();
    return tar_header(ImagePath::clean(name), entry) + content + std::string(tar_padding(content.size()), '\0');
}

std::string symbolic(const std::string& name, const std::string& target) {
    Entry entry;
    entry.kind = EntryKind::symlink;
    entry.mode = 0777;
    entry.link_target = target;
    return tar_header(ImagePath::clean(name), entry);
}

std::string end() { return std::string(tar_end()); }

std::string config_of(const std::vector<std::string>& layers) {
    ImageConfig config;
    config.platform.architecture = "amd64";
    for (const std::string& layer : layers) config.diff_ids.push_back({Sha256::of(layer)});
    return config.encode();
}

}  // namespace

TEST_CASE("an archive lists a layout in order, with nothing of who made it and when") {
    Blobs blobs;
    const Image image = blobs.image({"one", "two", "one"});
    const std::string bytes = archive_of(image, {"docker.io/library/app:1"}, blobs, ArchiveFormat::docker);
    MemoryReader in(bytes);
    TarReader tar(in, "test");
    std::vector<std::string> names;
    while (auto entry = tar.next()) {
        names.push_back(entry->name);
        CHECK(entry->entry.mtime == FileTime{});
        CHECK(entry->entry.uid == 0);
        CHECK(entry->entry.mode == (entry->entry.is_directory() ? 0755 : 0444));
    }
    CHECK(names.size() == 2 + 4 + 3);
    CHECK(std::is_sorted(names.begin(), names.end()));
    CHECK(names.front() == "blobs/");
    CHECK(names.back() == "oci-layout");
    CHECK(bytes.find("[{\"Config\":\"blobs/sha256/" + image.manifest.config.digest.hex() +
                     "\",\"RepoTags\":[\"app:1\"],\"Layers\":[\"blobs/sha256/") != std::string::npos);
    CHECK(bytes == archive_of(image, {"app:1"}, blobs, ArchiveFormat::docker));
    CHECK(archive_of(image, {}, blobs, ArchiveFormat::oci).find("manifest.json") == std::string::npos);
}

TEST_CASE("an archive that was written is read back, also compressed, with its names") {
    Blobs from;
    const Image image = from.image({"one", "two"});
    for (ArchiveFormat format : {ArchiveFormat::oci, ArchiveFormat::docker}) {
        const std::string bytes = archive_of(image, {"app:1", "quay.io/other:2"}, from, format);
        for (Compression compression : {Compression::none, Compression::gzip, Compression::zstd}) {
            Blobs to;
            auto loaded = load(compress_chunk(bytes, compression, default_level(compression)), to);
            REQUIRE(loaded.size() == 1);
            CHECK(loaded[0].image.descriptor.digest == image.descriptor.digest);
            CHECK(loaded[0].names == std::vector<std::string>{"docker.io/library/app:1", "quay.io/other:2"});
            CHECK(to.store.list() == from.store.list());
        }
    }
}

TEST_CASE("several images share an archive and its blobs, and its length is known before") {
    Blobs from;
    const Image one = from.image({"base", "one"});
    const Image two = from.image({"base", "two"});
    const ImageArchive archive(
        {{one.descriptor, {"docker.io/library/one:1"}, one}, {two.descriptor, {"docker.io/library/two:1"}, two}},
        from.store);
    MemoryWriter bytes;
    archive.write(bytes);
    CHECK(bytes.bytes().size() == archive.size());
    Blobs to;
    const auto loaded = load(bytes.bytes(), to);
    REQUIRE(loaded.size() == 2);
    CHECK(loaded[0].root.digest == one.descriptor.digest);
    CHECK(loaded[1].names == std::vector<std::string>{"docker.io/library/two:1"});
    CHECK(to.store.list().size() == 3 + 2 + 2);
    const std::string docker = "[{\"Config\":\"blobs/sha256/" + one.manifest.config.digest.hex();
    CHECK(bytes.bytes().find(docker) != std::string::npos);
}

TEST_CASE("several images without names keep to themselves") {
    Blobs from, to;
    const Image one = from.image({"one"});
    const Image two = from.image({"two"});
    MemoryWriter bytes;
    ImageArchive({{one.descriptor, {}, one}, {two.descriptor, {}, two}}, from.store).write(bytes);
    const auto loaded = load(bytes.bytes(), to);
    REQUIRE(loaded.size() == 2);
    CHECK(loaded[0].names.empty());
    CHECK(loaded[1].root.digest == two.descriptor.digest);
}

TEST_CASE("an index stays one where the archive has all of it, else the image that fits is taken") {
    Blobs from;
    Image one = from.image({"one"});
    Image other = from.image({"other"});
    other.descriptor.platform = one.descriptor.platform = Platform::parse("linux/amd64");
    other.descriptor.platform->variant = "v3";
    Index index{.media_type = std::string(media_type::oci_index), .manifests = {one.descriptor, other.descriptor}};
    const std::string text = index.encode();
    const Descriptor root{.media_type = index.media_type, .digest = from.store.put(text), .size = text.size()};
    ImageArchive archive({{root, {"docker.io/library/app:1"}, {}}}, from.store);
    Blobs whole, partial;
    MemoryWriter bytes;
    archive.write(bytes);
    const auto loaded = load(bytes.bytes(), whole);
    REQUIRE(loaded.size() == 1);
    CHECK(loaded[0].root.digest == root.digest);
    CHECK(loaded[0].image.descriptor.digest == one.descriptor.digest);
    archive.leave_out(other.manifest.layers.front().digest);
    MemoryWriter less;
    archive.write(less);
    CHECK(load(less.bytes(), partial).front().root.digest == one.descriptor.digest);
}

TEST_CASE("an image without a name keeps none") {
    Blobs from, to;
    auto loaded = load(archive_of(from.image({"one"}), {}, from, ArchiveFormat::docker), to);
    REQUIRE(loaded.size() == 1);
    CHECK(loaded[0].names.empty());
}

TEST_CASE("what an older docker save wrote is read: layers as plain tars, links between equal ones") {
    const std::string config = config_of({"one", "two", "one"});
    const std::string bytes =
        file("1111/layer.tar", "one") + file("1111/VERSION", "1.0") + file("2222/layer.tar", "two") +
        symbolic("3333/layer.tar", "../1111/layer.tar") + file("config.json", config) +
        file("manifest.json", R"([{"Config":"config.json","RepoTags":["app:1"],)"
                              R"("Layers":["1111/layer.tar","2222/layer.tar","3333/layer.tar"]}])") +
        file("repositories", "{}") + end();
    Blobs blobs;
    auto loaded = load(bytes, blobs);
    REQUIRE(loaded.size() == 1);
    CHECK(loaded[0].names == std::vector<std::string>{"docker.io/library/app:1"});
    const Image& image = loaded[0].image;
    CHECK(image.config_bytes == config);
    CHECK(image.manifest.layers.size() == 3);
    CHECK(image.manifest.layers[2] == image.manifest.layers[0]);
    CHECK(read_image(blobs.store, image.descriptor, Platform::parse("amd64"), "x").config_bytes == config);
}

TEST_CASE("an archive that does not hold what it says is refused") {
    const std::string one = R"([{"Config":"c.json","RepoTags":null,"Layers":["l.tar"]}])";
    CHECK(refusal(file("c.json", config_of({"x"})) + file("l.tar", "one") + file("manifest.json", one) + end()) ==
          "invalid_input: save.tar: l.tar: its content is " + Sha256::of("one").text() + ", but the config says " +
              Sha256::of("x").text());
    CHECK(refusal(file("c.json", config_of({"x"})) + file("manifest.json", one) + end()) ==
          "invalid_input: save.tar: has no file \"l.tar\"");
    CHECK(refusal(symbolic("c.json", "/etc/passwd") + file("manifest.json", one) + end()) ==
          "invalid_input: save.tar: has no file \"c.json\"");
    CHECK(refusal(symbolic("c.json", "c.json") + file("manifest.json", one) + end()) ==
          "invalid_input: save.tar: has no file \"c.json\"");
    CHECK(refusal(file("manifest.json", R"([{"Config":"../../etc/passwd","Layers":[]}])") + end()) ==
          "invalid_input: save.tar: \"../../etc/passwd\" is no name inside an archive");
    CHECK(refusal(file("manifest.json", "[]") + end()) == "invalid_input: save.tar: holds no image");
    CHECK(refusal(file("etc/passwd", "root") + end()) ==
          "invalid_input: save.tar: has neither index.json nor manifest.json");
    CHECK(refusal(file("a", "1") + file("./a", "2") + end()) == "invalid_input: save.tar: entry a: stands twice");
    const std::string hex = Sha256::of("right").hex();
    CHECK(refusal(file("blobs/sha256/" + hex, "wrong") + end()) ==
          "corrupt: save.tar: blobs/sha256/" + hex + ": its content is " + Sha256::of("wrong").text() + " and not " +
              Sha256::of("right").text());
    CHECK(refusal(file("manifest.json", R"([{"Config":"c","RepoTags":["BAD"],"Layers":[]}])") + end()) ==
          "usage: save.tar: manifest.json: image name: \"BAD\": a repository is written in lower case");
}

TEST_CASE("an archive whose layer is missing is refused before it becomes an image") {
    Blobs from;
    const Image image = from.image({"one"});
    Index index;
    set_name(index, image.descriptor, "app:1");
    CHECK(refusal(file("blobs/sha256/" + image.descriptor.digest.hex(), image.manifest_bytes) +
                  file("blobs/sha256/" + image.manifest.config.digest.hex(), image.config_bytes) +
                  file("index.json", index.encode()) + end()) ==
          "invalid_input: save.tar: has no layer " + Sha256::of("one").text() + " of 3 bytes");
}
