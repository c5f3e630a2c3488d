// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/layout.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;
using imgbuild::test::refusal;

namespace {

// A layout with one image of one layer, whose parts a test can bend.
struct Layout {
    TemporaryDirectory place = TemporaryDirectory::create();
    Directory root = place.directory().make_directory(ImagePath::clean("layout"));
    std::unique_ptr<BlobStore> blobs;

    Layout() {
        initialise_layout(root);
        blobs = std::make_unique<BlobStore>(root.duplicate(), place.directory().duplicate());
    }

    Descriptor put(std::string_view type, std::string_view bytes) const {
        return {.media_type = std::string(type), .digest = blobs->put(bytes), .size = bytes.size()};
    }
    Descriptor image(const std::string& os = "linux") const {
        ImageConfig config;
        config.platform = {.os = os, .architecture = "amd64"};
        config.diff_ids = {{Sha256::of("layer")}};
        Manifest manifest{.media_type = std::string(media_type::oci_manifest),
                          .config = put(media_type::oci_config, config.encode()),
                          .layers = {put(media_type::oci_layer, "layer")}};
        return put(media_type::oci_manifest, manifest.encode());
    }
    Descriptor index_of(const Descriptor& inner) const {
        return put(media_type::oci_index,
                   Index{.media_type = std::string(media_type::oci_index), .manifests = {inner}}.encode());
    }
    void write(const char* name, std::string_view content) const {
        write_file_atomically(root, name, content, Durability::none);
    }
    Image read(const Descriptor& descriptor) const {
        return read_image(*blobs, descriptor, Platform::parse("linux/amd64"), "app:1");
    }
};

}  // namespace

TEST_CASE("a new layout is one, and making it again changes nothing") {
    Layout at;
    CHECK(at.root.read_file(ImagePath::clean("oci-layout"), 100) == R"({"imageLayoutVersion":"1.0.0"})");
    Index index = read_layout_index(at.root);
    CHECK(index.manifests.empty());
    set_name(index, at.image(), "app:1");
    write_layout_index(at.root, index, Durability::full);
    initialise_layout(at.root);
    CHECK(read_layout_index(at.root).manifests.size() == 1);
}

TEST_CASE("what is no layout is refused by file") {
    Layout at;
    auto reading = [&] { return refusal([&] { read_layout_index(at.root); }); };
    const std::string name = at.root.name();
    at.write("oci-layout", R"({"imageLayoutVersion":"9.9.9"})");
    CHECK(reading() == "unsupported: " + name + "/oci-layout: imageLayoutVersion: \"9.9.9\" and not \"1.0.0\"");
    at.write("oci-layout", "hello");
    CHECK(reading() == "invalid_input: " + name + "/oci-layout: line 1, column 1: not well-formed JSON");
    at.root.remove_tree("oci-layout");
    CHECK(reading() == "not_found: read the layout: " + name + "/oci-layout: missing");
    at.write("oci-layout", layout_marker);
    at.write("index.json", R"({"schemaVersion":2,"manifests":null})");
    CHECK(reading() == "invalid_input: " + name + "/index.json: manifests: missing");
    at.write("index.json", R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"})");
    CHECK(reading() == "invalid_input: " + name +
                           "/index.json: mediaType: \"application/vnd.oci.image.manifest.v1+json\" and not "
                           "\"application/vnd.oci.image.index.v1+json\"");
    at.root.remove_tree("index.json");
    CHECK(reading() == "not_found: read the layout: " + name + "/index.json: missing");
    REQUIRE(::mkfifoat(at.root.fd(), "index.json", 0600) == 0);
    CHECK(reading() == "invalid_input: read the layout: " + name + "/index.json: not a regular file");
    at.root.remove_tree("index.json");
    REQUIRE(::symlinkat("/etc/passwd", at.root.fd(), "index.json") == 0);
    CHECK(reading() == "invalid_input: open: " + name + "/index.json: Too many levels of symbolic links");
}

TEST_CASE("an image is read through nested indexes, and not without end") {
    Layout at;
    Descriptor descriptor = at.image();
    for (int level = 0; level < max_index_levels; ++level) descriptor = at.index_of(descriptor);
    const Image image = at.read(descriptor);
    CHECK(image.manifest.layers.size() == 1);
    CHECK(image.descriptor.platform->text() == "linux/amd64");
    CHECK(refusal([&] { at.read(at.index_of(descriptor)); }) ==
          "invalid_input: app:1: indexes are nested deeper than 8");
}

TEST_CASE("an image for another system is refused") {
    Layout at;
    CHECK(refusal([&] { at.read(at.image("windows")); }) ==
          "invalid_input: app:1: the image is for windows/amd64 and not for linux");
    Descriptor other = at.image();
    other.platform = Platform{.os = "windows", .architecture = "s390x"};
    CHECK(refusal([&] { at.read(other); }) == "invalid_input: app:1: the image is for windows/s390x and not for linux");
    try {
        at.read(at.index_of(other));
        FAIL("read");
    } catch (const Error& error) {
        CHECK(error.message() == "app:1: no image for linux/amd64");
        CHECK(error.hint() == "there is windows/s390x");
    }
}

TEST_CASE("a document that is not what its descriptor says is refused") {
    Layout at;
    Descriptor descriptor = at.image();
    descriptor.size += 1;
    CHECK(refusal([&] { at.read(descriptor); }).starts_with("corrupt: app:1: blob " + descriptor.digest.text()));
    descriptor.size -= 1;
    descriptor.media_type = "application/x-evil";
    CHECK(refusal([&] { at.read(descriptor); }) ==
          "invalid_input: app:1: \"application/x-evil\" is neither an image nor an index");
    const Descriptor artifact =
        at.put(media_type::oci_manifest, Manifest{.media_type = std::string(media_type::oci_manifest),
                                                  .config = at.put("application/vnd.oci.empty.v1+json", "{}")}
                                             .encode());
    CHECK(refusal([&] { at.read(artifact); }) ==
          "invalid_input: app:1: not an image but an artifact: its config is \"application/vnd.oci.empty.v1+json\"");
}

TEST_CASE("a name replaces the entry of the same name and leaves the others") {
    Layout at;
    Index index;
    Descriptor first = at.image();
    Descriptor second = at.index_of(first);
    set_name(index, first, "app:1");
    set_name(index, first, "other:1");
    set_name(index, second, "docker.io/library/app:1");
    REQUIRE(index.manifests.size() == 2);
    CHECK(index.manifests[0].digest == second.digest);
    CHECK(index.manifests[0].annotations ==
          std::map<std::string, std::string>{{"io.containerd.image.name", "docker.io/library/app:1"},
                                             {"org.opencontainers.image.ref.name", "1"}});
    set_name(index, first, "");
    CHECK(index.manifests[2].annotations ==
          std::map<std::string, std::string>{{"org.opencontainers.image.ref.name", "latest"}});
    set_name(index, second, "");
    CHECK(index.manifests.size() == 3);
    set_name(index, second, "app:1", RefName::familiar);
    CHECK(index.manifests.front().annotations.at("org.opencontainers.image.ref.name") == "app:1");
}

TEST_CASE("an image of a layout is found by tag, full name, digest, or as the only one") {
    Layout at;
    Index index;
    const Descriptor one = at.image();
    const Descriptor two = at.index_of(one);
    auto found = [&](const char* selector) { return find_in_layout(index, selector, "base").digest; };
    auto missing = [&](const char* selector) {
        try {
            find_in_layout(index, selector, "base");
        } catch (const Error& error) {
            return error.message() + " (" + error.hint() + ")";
        }
        return std::string("found");
    };
    CHECK(missing("") == "base: no image (the layout holds no image)");
    set_name(index, one, "app:1");
    CHECK(found("") == one.digest);
    CHECK(found("1") == one.digest);
    CHECK(found("app:1") == one.digest);
    CHECK(found(("@" + one.digest.text()).c_str()) == one.digest);
    CHECK(missing("2\x1b") == "base: no image \"2\\x1b\" (the layout holds docker.io/library/app:1)");
    set_name(index, two, "other:1");
    CHECK(missing("") ==
          "base: more than one image: say which (the layout holds docker.io/library/app:1, docker.io/library/other:1)");
    CHECK(missing("1") ==
          "base: two images are called \"1\" (the layout holds docker.io/library/app:1, "
          "docker.io/library/other:1)");
    set_name(index, one, "other:1");
    CHECK(found("1") == one.digest);
}

TEST_CASE("a blob is copied verified, and only once") {
    Layout from, to;
    const Descriptor blob = from.put(media_type::oci_layer, "layer");
    copy_blob(*from.blobs, *to.blobs, blob, "app:1: layers[0]");
    CHECK(to.blobs->read(blob.digest, 100, "test") == "layer");
    from.blobs->remove(blob.digest);
    copy_blob(*from.blobs, *to.blobs, blob, "app:1: layers[0]");
    to.blobs->remove(blob.digest);
    CHECK(refusal([&] { copy_blob(*from.blobs, *to.blobs, blob, "app:1: layers[0]"); }) ==
          "not_found: app:1: layers[0]: blob " + blob.digest.text() + ": missing");
}

TEST_CASE("all images of an index are read, without what it says no platform of") {
    Layout at;
    Index index{.media_type = std::string(media_type::oci_index), .manifests = {at.image(), at.image("windows")}};
    index.manifests[0].platform = Platform::parse("linux/amd64");
    index.manifests[1].platform = Platform::parse("windows/amd64");
    index.manifests.push_back(at.put(media_type::oci_manifest, "{}"));
    const Descriptor root = at.put(media_type::oci_index, index.encode());
    const std::vector<Image> images = read_images(*at.blobs, root, Platform::parse("linux/amd64"), "app:1");
    REQUIRE(images.size() == 2);
    CHECK(images[1].config.platform.os == "windows");
    CHECK(read_images(*at.blobs, at.image(), Platform::parse("linux/amd64"), "app:1").size() == 1);
}

TEST_CASE("the blobs of an index are visited each once, documents before what they name") {
    Layout at;
    const Descriptor image = at.image();
    Index index{.media_type = std::string(media_type::oci_index), .manifests = {image, at.image("windows"), image}};
    const Descriptor root = at.put(media_type::oci_index, index.encode());
    std::vector<Digest> visited;
    for_each_blob(*at.blobs, root, "app:1", [&](const Descriptor& blob) { visited.push_back(blob.digest); });
    REQUIRE(visited.size() == 6);  // the layer is the same
    CHECK(visited[0] == root.digest);
    CHECK(visited[1] == image.digest);
    CHECK(visited[3] == Sha256::of("layer"));
}
