// SPDX-License-Identifier: Apache-2.0
#include "builder/image/output.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "builder/image/image_assembly.h"
#include "layerstore/image/layout.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;
using imgbuild::test::refusal;

namespace {

// A store with images, and a folder for what is written out.
struct Place {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    Directory store_root = scratch.directory().make_directory(ImagePath::clean("store"));
    Directory out = scratch.directory().make_directory(ImagePath::clean("out"));
    BlobStore blobs{store_root.duplicate(), store_root.duplicate()};

    std::string path(const std::string& name) const { return out.name() + "/" + name; }
    std::string read(const std::string& name) const { return out.read_file(ImagePath::clean(name), 1 << 24); }
    void write(const std::string& name, std::string_view content) const {
        write_file_atomically(out, name, content, Durability::none);
    }
    bool exists(const std::string& name) const { return out.status(ImagePath::clean(name)).has_value(); }

    Image image(const std::string& layer) const {
        AssemblyRequest request;
        request.config.platform.architecture = "amd64";
        request.layers = {{.blob = {.media_type = std::string(media_type::oci_layer),
                                    .digest = blobs.put(layer),
                                    .size = layer.size()},
                           .diff_id = {Sha256::of(layer)}}};
        request.created = default_file_time;
        Image made = assemble_image(request);
        write_documents(made, blobs);
        return made;
    }
    // "name digest" of every image in a layout, in lines; each of them is read and checked.
    std::string listing(const std::string& name) const {
        const Directory layout = out.open_directory(ImagePath::clean(name), FollowLinks::never);
        const BlobStore there(layout.duplicate(), Directory());
        std::string text;
        for (const Descriptor& entry : read_layout_index(layout).manifests) {
            const Image found = read_image(there, entry, Platform::parse("linux/amd64"), name);
            for (const Descriptor& blob : found.manifest.layers) drain(*there.open(blob.digest, blob.size, name));
            auto full = entry.annotations.find(std::string(annotation_image_name));
            text += (full == entry.annotations.end() ? "" : full->second) + " " +
                    entry.annotations.at(std::string(annotation_ref_name)) + " " + entry.digest.text() + "\n";
        }
        return text;
    }
};

// Gives the wrong end to a file that it began.
struct BrokenContents final : ContentSource {
    std::unique_ptr<ByteReader> open(const Digest&, std::uint64_t) override {
        struct Broken final : ByteReader {
            std::size_t read(std::span<std::byte>) override { throw Error(ErrorKind::corrupt, "the content is gone"); }
        };
        return std::make_unique<Broken>();
    }
};

Tree tree_of_one_file(const std::string& content) {
    Entry entry;
    entry.size = content.size();
    entry.content = Sha256::of(content);
    return apply(Tree(), TreeDelta::build({{ImagePath::clean("a"), ChangeKind::put, entry}}));
}

}  // namespace

TEST_CASE("layout: two images share one, and a name that is taken moves") {
    Place place;
    const Image first = place.image("first");
    const Image second = place.image("second");
    write_layout(first, {"app:1", "app:latest"}, place.blobs, place.path("new/layout"));
    write_layout(second, {"app:latest", "other"}, place.blobs, place.path("new/layout"));
    CHECK(place.listing("new/layout") == "docker.io/library/app:1 1 " + first.descriptor.digest.text() +
                                             "\n"
                                             "docker.io/library/app:latest latest " +
                                             second.descriptor.digest.text() +
                                             "\n"
                                             "docker.io/library/other:latest latest " +
                                             second.descriptor.digest.text() + "\n");
    CHECK(place.read("new/layout/index.json").find(R"("org.opencontainers.image.created": "1980-01-02T00:00:00Z")") !=
          std::string::npos);
}

TEST_CASE("layout: an image without a name is the latest, and writing it again changes nothing") {
    Place place;
    const Image image = place.image("layer");
    write_layout(image, {}, place.blobs, place.path("layout"));
    const std::string index = place.read("layout/index.json");
    write_layout(image, {}, place.blobs, place.path("layout/"));
    CHECK(place.read("layout/index.json") == index);
    CHECK(place.listing("layout") == " latest " + image.descriptor.digest.text() + "\n");
}

TEST_CASE("layout: a directory of something else is refused and not touched") {
    Place place;
    const Image image = place.image("layer");
    place.write("notes.txt", "mine");
    CHECK(refusal([&] { write_layout(image, {}, place.blobs, place.out.name()); }) ==
          "usage: write the layout " + place.out.name() + ": the directory holds something else");
    CHECK(place.out.list() == std::vector<std::string>{"notes.txt"});
    CHECK(refusal([&] { write_layout(image, {}, place.blobs, place.path("notes.txt")); }) ==
          "usage: write the layout " + place.path("notes.txt") + ": not a directory");
    CHECK(refusal([&] { write_layout(image, {}, place.blobs, ""); }).starts_with("usage: "));
}

TEST_CASE("layout: what a killed writer left is completed, and blobs that it left short are replaced") {
    Place place;
    const Image image = place.image("layer");
    place.out.make_directory(ImagePath::clean("layout/blobs/sha256"));
    const Digest layer = image.manifest.layers[0].digest;
    place.write("layout/blobs/sha256/" + layer.hex(), "la");
    place.write("layout/.new-0123456789abcdef", "half");
    write_layout(image, {"app"}, place.blobs, place.path("layout"));
    CHECK(place.listing("layout").starts_with("docker.io/library/app:latest "));
}

TEST_CASE("layout: without a layer of the image it does not name it, and a bad name makes nothing") {
    Place place;
    const Image image = place.image("layer");
    CHECK(refusal([&] { write_layout(image, {"Bad Name"}, place.blobs, place.path("bad")); }).starts_with("usage: "));
    CHECK(!place.exists("bad"));
    const Image older = place.image("older");
    write_layout(older, {"app"}, place.blobs, place.path("layout"));
    place.blobs.remove(image.manifest.layers[0].digest);
    CHECK(refusal([&] { write_layout(image, {"app"}, place.blobs, place.path("layout")); }).starts_with("not_found: "));
    CHECK(place.listing("layout") == "docker.io/library/app:latest latest " + older.descriptor.digest.text() + "\n");
}

TEST_CASE("layout: writers at the same time all get in") {
    Place place;
    std::vector<Image> images;
    for (int i = 0; i < 8; ++i) images.push_back(place.image("layer " + std::to_string(i)));
    {
        std::vector<std::jthread> writers;
        for (std::size_t i = 0; i < images.size(); ++i)
            writers.emplace_back(
                [&, i] { write_layout(images[i], {"app:" + std::to_string(i)}, place.blobs, place.path("layout")); });
    }
    const std::string listing = place.listing("layout");
    for (const Image& image : images) CHECK(listing.find(image.descriptor.digest.text()) != std::string::npos);
}

TEST_CASE("archive: is read back as the image that it is, and equal ones are equal bytes") {
    Place place;
    const Image image = place.image("layer");
    write_image_archive(image, {"app:1"}, place.blobs, ArchiveFormat::docker, place.path("image.tar"));
    write_image_archive(image, {"app:1"}, place.blobs, ArchiveFormat::docker, place.path("again.tar"));
    CHECK(place.read("image.tar") == place.read("again.tar"));
    CHECK(place.read("image.tar").find("org.opencontainers.image.created") != std::string::npos);
    const std::string bytes = place.read("image.tar");
    MemoryReader in(bytes);
    const auto loaded = read_archive(in, place.blobs, Platform::parse("linux/amd64"), "image.tar");
    REQUIRE(loaded.size() == 1);
    CHECK(loaded[0].image.manifest_bytes == image.manifest_bytes);
    CHECK(loaded[0].names == std::vector<std::string>{"docker.io/library/app:1"});
    CHECK(place.out.list().size() == 2);
}

TEST_CASE("archive: one that fails leaves no file, and an older one as it was") {
    Place place;
    const Image image = place.image("layer");
    place.blobs.remove(image.manifest.layers[0].digest);
    auto write = [&] { write_image_archive(image, {}, place.blobs, ArchiveFormat::oci, place.path("image.tar")); };
    CHECK(refusal(write).starts_with("not_found: "));
    CHECK(place.out.list().empty());
    place.write("image.tar", "older");
    CHECK(refusal(write).starts_with("not_found: "));
    CHECK(place.read("image.tar") == "older");
    CHECK(place.out.list().size() == 1);
}

TEST_CASE("archive: a directory, a missing folder and a terminal are refused by name") {
    Place place;
    const Image image = place.image("layer");
    auto write = [&](const std::string& path) {
        return refusal([&] { write_image_archive(image, {}, place.blobs, ArchiveFormat::oci, path); });
    };
    CHECK(write(place.out.name()) == "usage: write " + place.out.name() + ": it is a directory");
    CHECK(write(place.path("new/")) == "usage: write " + place.path("new/") + ": it is a directory");
    CHECK(write(place.path("no/image.tar")).starts_with("not_found: open directory: " + place.path("no")));
    CHECK(write("").starts_with("usage: "));
    const Fd controller(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(controller);
    REQUIRE(::grantpt(controller.get()) == 0);
    REQUIRE(::unlockpt(controller.get()) == 0);
    char terminal[64];
    REQUIRE(::ptsname_r(controller.get(), terminal, sizeof terminal) == 0);
    CHECK(write(terminal) == "usage: write " + std::string(terminal) + ": it is a terminal");
}

TEST_CASE("archive: a link to a file stays a link, and a pipe is written and not replaced") {
    Place place;
    const Image image = place.image("layer");
    place.write("real.tar", "older");
    REQUIRE(::symlink("real.tar", place.path("link.tar").c_str()) == 0);
    write_image_archive(image, {}, place.blobs, ArchiveFormat::oci, place.path("link.tar"));
    CHECK(S_ISLNK(place.out.status(ImagePath::clean("link.tar"))->st_mode));
    REQUIRE(::mkfifo(place.path("pipe").c_str(), 0600) == 0);
    std::string piped;
    std::jthread reader([&] {
        FdReader in(Fd(::open(place.path("pipe").c_str(), O_RDONLY | O_CLOEXEC)), "pipe");
        piped = read_all(in, 1 << 24, "pipe");
    });
    write_image_archive(image, {}, place.blobs, ArchiveFormat::oci, place.path("pipe"));
    reader.join();
    CHECK(piped == place.read("real.tar"));
    CHECK(S_ISFIFO(place.out.status(ImagePath::clean("pipe"))->st_mode));
}

TEST_CASE("tree archive: is the tar of the tree, whole or not there") {
    Place place;
    auto memory = std::make_shared<MemoryContents>();
    memory->add("content");
    ContentSources contents;
    contents.add(memory);
    write_tree_archive(tree_of_one_file("content"), contents, place.path("tree.tar"));
    const std::string bytes = place.read("tree.tar");
    MemoryReader in(bytes);
    CHECK(apply(Tree(), read_layer(in, Tree(), "tree.tar")) == tree_of_one_file("content"));
    ContentSources broken;
    broken.add(std::make_shared<BrokenContents>());
    CHECK(refusal([&] { write_tree_archive(tree_of_one_file("other"), broken, place.path("bad.tar")); }) ==
          "corrupt: the content is gone");
    CHECK(place.out.list() == std::vector<std::string>{"tree.tar"});
}
