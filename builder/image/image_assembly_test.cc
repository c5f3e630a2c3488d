// SPDX-License-Identifier: Apache-2.0
#include "builder/image/image_assembly.h"

#include <doctest/doctest.h>

#include "base/temporary_directory.h"
#include "base/test_support.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;
using imgbuild::test::refusal;

namespace {

FinishedLayer layer(const std::string& content, std::string_view type = media_type::oci_layer_gzip) {
    return {.blob = {.media_type = std::string(type), .digest = Sha256::of("blob of " + content), .size = 10},
            .diff_id = {Sha256::of(content)}};
}

HistoryEntry entry(const std::string& text, bool empty = false, const std::string& created = "") {
    return {.created = created, .created_by = text, .empty_layer = empty};
}

// A base of one layer, an ENV and a COPY on it.
AssemblyRequest request() {
    AssemblyRequest made;
    made.config.platform.architecture = "amd64";
    made.config.history = {entry("base", false, "2001-02-03T04:05:06Z"), entry("ENV A=1", true), entry("COPY a /")};
    made.base_history = 1;
    made.layers = {layer("base"), layer("copy")};
    made.base_layers = 1;
    made.created = default_file_time;
    return made;
}

// "text@created", "-" for an empty layer, in lines.
std::string history_of(const Image& image) {
    std::string text;
    for (const HistoryEntry& line : image.config.history)
        text += (line.empty_layer ? "- " : "+ ") + line.created_by + line.comment + "@" + line.created + "\n";
    return text;
}

std::string types_of(const Image& image) {
    std::string text = image.descriptor.media_type + "\n" + image.manifest.config.media_type + "\n";
    for (const Descriptor& part : image.manifest.layers) text += part.media_type + "\n";
    return text;
}

struct Blobs {
    TemporaryDirectory place = TemporaryDirectory::create();
    BlobStore store{place.directory().duplicate(), place.directory().duplicate()};
    const std::string tar = std::string(5 << 20, 'x') + "end";
    const DiffId diff_id{Sha256::of(tar)};

    Descriptor put(std::string_view type, const std::string& bytes) const {
        return {.media_type = std::string(type), .digest = store.put(bytes), .size = bytes.size()};
    }
    Descriptor put_packed() const {
        return put(media_type::docker_layer_gzip, compress_chunk(tar, Compression::gzip, 1));
    }
    std::string unpacked(const Descriptor& blob) const {
        const auto reader = store.open(blob.digest, blob.size, "blob");
        const auto plain = make_decompressor(*reader, layer_compression(blob.media_type).value(), "blob");
        return read_all(*plain, 1 << 30, "blob");
    }
};

}  // namespace

TEST_CASE("image: the documents are these bytes") {
    const Image image = assemble_image(request());
    CHECK(image.config_bytes == R"({"architecture":"amd64","config":{},"created":"1980-01-02T00:00:00Z","history":[)"
                                R"({"created":"2001-02-03T04:05:06Z","created_by":"base"},)"
                                R"({"created":"1980-01-02T00:00:00Z","created_by":"ENV A=1","empty_layer":true},)"
                                R"({"created":"1980-01-02T00:00:00Z","created_by":"COPY a /"}],"os":"linux",)"
                                R"("rootfs":{"type":"layers","diff_ids":[")" +
                                    Sha256::of("base").text() + R"(",")" + Sha256::of("copy").text() + R"("]}})");
    const Manifest manifest = Manifest::parse(image.manifest_bytes, media_type::oci_manifest, "manifest");
    CHECK(manifest.config.digest == Sha256::of(image.config_bytes));
    REQUIRE(manifest.layers.size() == 2);
    CHECK(manifest.layers[1] == layer("copy").blob);
    CHECK(image.descriptor.digest == Sha256::of(image.manifest_bytes));
    CHECK(image.descriptor.size == image.manifest_bytes.size());
    CHECK(image.descriptor.platform->text() == "linux/amd64");
    CHECK(assemble_image(request()).manifest_bytes == image.manifest_bytes);
}

TEST_CASE("image: entries of the base keep their times, new ones get the image's where they have none") {
    AssemblyRequest made = request();
    made.config.history.push_back(entry("RUN late", true, "2020-01-01T00:00:00Z"));
    made.config.history[0].created.clear();
    CHECK(history_of(assemble_image(made)) ==
          "+ base@\n- ENV A=1@1980-01-02T00:00:00Z\n+ COPY a /@1980-01-02T00:00:00Z\n"
          "- RUN late@2020-01-01T00:00:00Z\n");
}

TEST_CASE("image: a layer that no entry tells of gets one, below what lies on a base without history") {
    AssemblyRequest made = request();
    made.layers.push_back(layer("more"));
    made.layers.insert(made.layers.begin(), layer("lowest"));
    made.base_layers = 2;
    CHECK(history_of(assemble_image(made)) ==
          "+ base@2001-02-03T04:05:06Z\n+ buildkit.exporter.image.v0@1980-01-02T00:00:00Z\n"
          "- ENV A=1@1980-01-02T00:00:00Z\n+ COPY a /@1980-01-02T00:00:00Z\n"
          "+ buildkit.exporter.image.v0@1980-01-02T00:00:00Z\n");
}

TEST_CASE("image: an entry that no layer stands for becomes empty, the last ones first") {
    AssemblyRequest made = request();
    made.config.history.push_back(entry("COPY b /"));
    CHECK(history_of(assemble_image(made)) ==
          "+ base@2001-02-03T04:05:06Z\n- ENV A=1@1980-01-02T00:00:00Z\n+ COPY a /@1980-01-02T00:00:00Z\n"
          "- COPY b /@1980-01-02T00:00:00Z\n");
    made = request();
    made.base_layers = 0;
    made.layers = {layer("copy")};
    CHECK(history_of(assemble_image(made)).starts_with("- base@2001-02-03T04:05:06Z\n"));
}

TEST_CASE("image: an image of nothing has no layers") {
    AssemblyRequest made;
    made.config.platform.architecture = "arm64";
    made.config.platform.variant = "v8";
    const Image image = assemble_image(made);
    CHECK(image.config_bytes == R"({"architecture":"arm64","config":{},"created":"1970-01-01T00:00:00Z","os":"linux",)"
                                R"("rootfs":{"type":"layers","diff_ids":null}})");
    CHECK(image.manifest.layers.empty());
}

TEST_CASE("image: all media types are of one family") {
    AssemblyRequest made = request();
    made.layers = {layer("a", media_type::docker_layer_gzip), layer("b", media_type::docker_layer),
                   layer("c", media_type::docker_layer_zstd), layer("d", media_type::oci_layer_zstd),
                   layer("e", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")};
    CHECK(types_of(assemble_image(made)) ==
          "application/vnd.oci.image.manifest.v1+json\napplication/vnd.oci.image.config.v1+json\n"
          "application/vnd.oci.image.layer.v1.tar+gzip\napplication/vnd.oci.image.layer.v1.tar\n"
          "application/vnd.oci.image.layer.v1.tar+zstd\napplication/vnd.oci.image.layer.v1.tar+zstd\n"
          "application/vnd.oci.image.layer.v1.tar+gzip\n");
    made.oci_media_types = false;
    CHECK(types_of(assemble_image(made)) ==
          "application/vnd.docker.distribution.manifest.v2+json\napplication/vnd.docker.container.image.v1+json\n"
          "application/vnd.docker.image.rootfs.diff.tar.gzip\napplication/vnd.docker.image.rootfs.diff.tar\n"
          "application/vnd.docker.image.rootfs.diff.tar.zstd\napplication/vnd.docker.image.rootfs.diff.tar.zstd\n"
          "application/vnd.docker.image.rootfs.diff.tar.gzip\n");
}

TEST_CASE("image: annotations are the manifest's own, and not those that a base's layers had") {
    AssemblyRequest made = request();
    made.annotations = {{"org.example.key", "value"}};
    made.layers[0].blob.annotations = {{"containerd.io/foreign", "x"}};
    made.layers[0].blob.other_members = R"({"urls":["https://example.org/x"]})";
    const Image image = assemble_image(made);
    const Manifest manifest = Manifest::parse(image.manifest_bytes, media_type::oci_manifest, "manifest");
    CHECK(manifest.annotations.at("org.example.key") == "value");
    CHECK(manifest.layers[0] == layer("base").blob);
}

TEST_CASE("image: an OCI manifest says the version of its format, whatever was asked for by that name") {
    AssemblyRequest made = request();
    made.annotations = {{format_annotation, "7"}};
    CHECK(assemble_image(made).manifest.annotations.at(format_annotation) == "1");
    made.oci_media_types = false;
    made.annotations.clear();
    CHECK(assemble_image(made).manifest.annotations.empty());
}

TEST_CASE("format version 1: config and manifest are the bytes of all releases") {
    AssemblyRequest made = request();
    ImageConfig& config = made.config;
    config.author = "somebody";
    config.user = "1000:0";
    config.exposed_ports = {"53/udp", "80/tcp"};
    config.environment = {"PATH=/bin", "A=1"};
    config.entrypoint = {"/bin/app", "<&>"};
    config.command = {"--flag"};
    config.volumes = {"/data"};
    config.working_directory = "/srv";
    config.labels = {{"org.example.b", "2"}, {"org.example.a", "\u00fc"}};
    config.stop_signal = "SIGINT";
    config.healthcheck = Healthcheck{{"CMD", "true"}, 1'000'000'000, 2'000'000'000, 3'000'000'000, 0, 4};
    config.on_build = {"RUN make"};
    config.shell = {"/bin/sh", "-c"};
    made.annotations = {{"org.example.key", "value"}};
    CHECK(assemble_image(made).manifest.config.digest.hex() ==
          "9b172b1d842026ea36f3da985305e0faf367a87969fa302b53f2c4c4aad66fc6");
    CHECK(assemble_image(made).descriptor.digest.hex() ==
          "cdbfc86185c213ba63c930b6d5072bafb70462a49a4328a9e0013db7c5bea114");
    const AssembledIndex index = assemble_index({assemble_image(made).descriptor}, {{"a", "1"}}, true);
    CHECK(index.descriptor.digest.hex() == "6b1fe740ee615f0993d0f8a4f9f2cd3939122788348217c4131f79e58db6067a");
}

TEST_CASE("image: what no reader would take is not made") {
    AssemblyRequest made = request();
    made.layers[0].blob.media_type = "application/vnd.example";
    CHECK(refusal([&] { assemble_image(made); }) ==
          "invalid_input: assemble the image: layers[0]: \"application/vnd.example\" is no layer that can be unpacked");
    made = request();
    made.layers.resize(max_layers + 1, layer("x"));
    CHECK(refusal([&] { assemble_image(made); }) == "invalid_input: assemble the image: 10001 layers, at most 10000");
    made = request();
    made.annotations["big"] = std::string(max_manifest_bytes, 'x');
    CHECK(refusal([&] { assemble_image(made); }).starts_with("invalid_input: assemble the image: the manifest has"));
}

TEST_CASE("image: config and manifest stand in the store under their digests") {
    Blobs blobs;
    const Image image = assemble_image(request());
    write_documents(image, blobs.store);
    CHECK(blobs.store.read(image.descriptor.digest, max_manifest_bytes, "manifest") == image.manifest_bytes);
    CHECK(blobs.store.read(image.manifest.config.digest, max_config_bytes, "config") == image.config_bytes);
}

TEST_CASE("recompress: the same tar in every compression, as an OCI layer") {
    Blobs blobs;
    Descriptor source = blobs.put_packed();
    source.annotations = {{"foreign", "x"}};
    const Descriptor zstd = recompress(source, blobs.diff_id, Compression::zstd, 3, blobs.store);
    CHECK(zstd.media_type == media_type::oci_layer_zstd);
    CHECK(zstd.annotations.empty());
    CHECK(blobs.unpacked(zstd) == blobs.tar);
    const Descriptor plain = recompress(source, blobs.diff_id, Compression::none, 0, blobs.store);
    CHECK(plain.digest == blobs.diff_id.value);
    CHECK(blobs.unpacked(recompress(zstd, blobs.diff_id, Compression::gzip, 4, blobs.store)) == blobs.tar);
    CHECK(recompress(zstd, blobs.diff_id, Compression::zstd, 19, blobs.store) == zstd);
}

TEST_CASE("recompress: nothing is still a stream of its format") {
    Blobs blobs;
    const Descriptor empty = blobs.put(media_type::oci_layer, "");
    const Descriptor packed = recompress(empty, {Sha256::of("")}, Compression::gzip, 4, blobs.store);
    CHECK(packed.size > 0);
    CHECK(blobs.unpacked(packed).empty());
}

TEST_CASE("recompress: a layer that is not what the config says is refused and leaves no blob") {
    Blobs blobs;
    const Descriptor source = blobs.put_packed();
    const std::size_t before = blobs.store.list().size();
    const DiffId other{Sha256::of("other")};
    CHECK(refusal([&] { recompress(source, other, Compression::zstd, 3, blobs.store); }) ==
          "invalid_input: compress layer " + source.digest.text() + ": its content is " + blobs.diff_id.value.text() +
              ", but the image's config says " + other.value.text());
    const Descriptor cut = blobs.put(media_type::oci_layer_gzip, compress_chunk("x", Compression::gzip, 1) + "junk");
    CHECK(refusal([&] { recompress(cut, other, Compression::none, 0, blobs.store); }).starts_with("invalid_input: "));
    CHECK(blobs.store.list().size() == before + 1);
}

TEST_CASE(
    "an index lists its manifests in the order given, with platforms and annotations, in either family of types") {
    std::vector<layerstore::Descriptor> manifests;
    for (const char* platform : {"linux/arm64", "linux/amd64"})
        manifests.push_back({.media_type = std::string(layerstore::media_type::oci_manifest),
                             .digest = Sha256::of(platform),
                             .size = 10,
                             .platform = layerstore::Platform::parse(platform)});
    const AssembledIndex made = assemble_index(manifests, {{"a", "1"}}, true);
    CHECK(made.descriptor.digest == Sha256::of(made.bytes));
    CHECK(made.descriptor.size == made.bytes.size());
    const layerstore::Index read = layerstore::Index::parse(made.bytes, "index");
    CHECK(read.manifests == manifests);
    CHECK(read.annotations.at("a") == "1");
    CHECK(assemble_index(manifests, {}, false).descriptor.media_type == layerstore::media_type::docker_index);
}
