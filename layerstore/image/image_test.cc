// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/image.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

Descriptor descriptor(std::string_view type, std::string_view bytes) {
    return {.media_type = std::string(type), .digest = Sha256::of(bytes), .size = bytes.size()};
}

const std::string digest_a = Sha256::of("a").text();

ImageConfig full_config() {
    ImageConfig config;
    config.platform = {.architecture = "arm", .variant = "v7"};
    config.author = "A <a@b>";
    config.created = "1980-01-02T00:00:00Z";
    config.user = "app:app";
    config.exposed_ports = {"80/tcp", "443/tcp"};
    config.environment = {"PATH=/bin", "B=<&>"};
    config.entrypoint = {{"/app"}};
    config.command = {{"--serve"}};
    config.volumes = {"/data"};
    config.working_directory = "/srv";
    config.labels = {{"b", "2"}, {"a", "1"}};
    config.stop_signal = "SIGTERM";
    config.healthcheck = Healthcheck{.test = {"CMD", "true"}, .interval = 30'000'000'000, .retries = 3};
    config.on_build = {"RUN true"};
    config.shell = {"/bin/bash", "-c"};
    config.diff_ids = {{Sha256::of("a")}};
    config.history = {{.created = "1980-01-02T00:00:00Z", .created_by = "COPY . .", .comment = "c"},
                      {.created_by = "ENV B=1", .author = "A", .empty_layer = true}};
    return config;
}

std::string minimal_with(const std::string& settings) {
    return R"({"architecture":"amd64","os":"linux","config":{)" + settings +
           R"(},"rootfs":{"type":"layers","diff_ids":[]}})";
}

std::string config_refusal(const std::string& bytes) {
    try {
        ImageConfig::parse(bytes, "app:1: config");
    } catch (const Error& error) {
        return error.message();
    }
    return "accepted";
}

std::string manifest_refusal(const std::string& members, std::string_view expected = media_type::oci_manifest) {
    try {
        Manifest::parse("{" + members + "}", expected, "app:1");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::invalid_input);
        return error.message();
    }
    return "accepted";
}

const std::string config_member =
    R"("config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" + digest_a + R"(","size":1})";

}  // namespace

TEST_CASE("a config is written compactly, keys in alphabetical order and settings in Docker's") {
    CHECK(full_config().encode() ==
          R"({"architecture":"arm","author":"A \u003ca@b\u003e","config":{"User":"app:app",)"
          R"("ExposedPorts":{"443/tcp":{},"80/tcp":{}},"Env":["PATH=/bin","B=\u003c\u0026\u003e"],)"
          R"("Entrypoint":["/app"],"Cmd":["--serve"],"Volumes":{"/data":{}},"WorkingDir":"/srv",)"
          R"("Labels":{"a":"1","b":"2"},"StopSignal":"SIGTERM",)"
          R"("Healthcheck":{"Test":["CMD","true"],"Interval":30000000000,"Retries":3},)"
          R"("OnBuild":["RUN true"],"Shell":["/bin/bash","-c"]},"created":"1980-01-02T00:00:00Z",)"
          R"("history":[{"created":"1980-01-02T00:00:00Z","created_by":"COPY . .","comment":"c"},)"
          R"({"created_by":"ENV B=1","author":"A","empty_layer":true}],"os":"linux",)"
          R"("rootfs":{"type":"layers","diff_ids":["sha256:)"
          R"(ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"]},"variant":"v7"})");
}

TEST_CASE("an empty config says only what must be there, and null for no layers as BuildKit does") {
    ImageConfig config;
    config.platform.architecture = "amd64";
    config.entrypoint = std::vector<std::string>();
    CHECK(config.encode() ==
          R"({"architecture":"amd64","config":{},"os":"linux","rootfs":{"type":"layers","diff_ids":null}})");
}

TEST_CASE("a config that was written reads as it was") {
    const std::string text = full_config().encode();
    CHECK(ImageConfig::parse(text, "test").encode() == text);
    CHECK(ImageConfig::parse(minimal_with(""), "test").diff_ids.empty());
}

TEST_CASE("a config's text that a program would cut at a NUL is refused") {
    CHECK(config_refusal(minimal_with(R"("Env":["A=x\u0000LD_PRELOAD=/e.so"])")) ==
          "app:1: config.config.Env[0]: holds a NUL");
    CHECK(config_refusal(minimal_with(R"("Cmd":["a","b\u0000"])")) == "app:1: config.config.Cmd[1]: holds a NUL");
    CHECK(config_refusal(minimal_with(R"("WorkingDir":"/a\u0000b")")) ==
          "app:1: config.config.WorkingDir: holds a NUL");
}

TEST_CASE("variables of a config have a name") {
    CHECK(config_refusal(minimal_with(R"("Env":["A=","B==x","C=a\nb"])")) == "accepted");
    CHECK(config_refusal(minimal_with(R"("Env":["NOEQUALS"])")) ==
          "app:1: config.config.Env[0]: \"NOEQUALS\" is not NAME=value");
    CHECK(config_refusal(minimal_with(R"("Env":["=x"])")) == "app:1: config.config.Env[0]: \"=x\" is not NAME=value");
}

TEST_CASE("a config's user is a name or a number that the kernel takes") {
    auto user = [](const std::string& name) { return config_refusal(minimal_with("\"User\":\"" + name + "\"")); };
    for (const char* good : {"", "root", "0", "1000:1000", "app:", "4294967294", "www-data:www-data", "00"})
        CHECK(user(good) == "accepted");
    CHECK(user("4294967296") ==
          "app:1: config.config.User: \"4294967296\" is neither a name nor a number from 0 to 4294967294");
    for (const char* bad : {"4294967296:0", "-1", "4294967295", "99999999999999999999", "0x0", "+0", " 0", "1:2:3",
                            "root\\u0000x", "root\\nx", ":1", ":"})
        CHECK(user(bad) != "accepted");
}

TEST_CASE("wrong types in a config are refused by place") {
    CHECK(config_refusal(minimal_with(R"("Entrypoint":"/bin/sh")")) ==
          "app:1: config.config.Entrypoint: expected an array");
    CHECK(config_refusal(minimal_with(R"("Labels":{"a":1})")) == "app:1: config.config.Labels.a: expected a string");
    CHECK(config_refusal(minimal_with(R"("Env":[1])")) == "app:1: config.config.Env[0]: expected a string");
    CHECK(config_refusal("[]") == "app:1: config: expected an object");
    CHECK(config_refusal(R"({"architecture":"amd64","os":"linux"})") == "app:1: config.rootfs: missing");
    CHECK(config_refusal(R"({"architecture":"amd64","os":"linux","rootfs":{"type":"../.."}})") ==
          "app:1: config.rootfs.type: \"../..\" and not \"layers\"");
    CHECK(config_refusal(R"({"architecture":"../../x","os":"linux"})") ==
          "app:1: config.architecture: \"../../x\" is no word");
    CHECK(config_refusal(R"({"architecture":"x","os":"linux\n"})") == "app:1: config.os: \"linux\\n\" is no word");
    CHECK(config_refusal(R"({"os":"linux"})") == "app:1: config.architecture: missing");
    CHECK(config_refusal(R"({"os":"linux","architecture":"x","rootfs":{"type":"layers","diff_ids":["sha256:1"]}})") ==
          "app:1: config.rootfs.diff_ids[0]: \"sha256:1\" is not \"sha256:\" and 64 hexadecimal digits");
}

TEST_CASE("a variable is replaced in place and others keep their order") {
    ImageConfig config;
    config.set_environment("A", "1");
    config.set_environment("AB", "2");
    config.set_environment("A", "3=4");
    CHECK(config.environment == std::vector<std::string>{"A=3=4", "AB=2"});
    CHECK(config.find_environment("A") == "3=4");
    CHECK_FALSE(config.find_environment("B"));
}

TEST_CASE("a manifest is written with two spaces, and keeps what it does not know") {
    const std::string text = R"({
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "artifactType": "a/b",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
    "size": 1
  },
  "layers": [
    {
      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
      "digest": "sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
      "size": 1
    }
  ],
  "annotations": {
    "a": "1",
    "b": "\u003c2\u003e"
  },
  "x-future": {
    "a": 1
  }
})";
    const Manifest manifest = Manifest::parse(text, media_type::oci_manifest, "test");
    CHECK(manifest.config == descriptor(media_type::oci_config, "a"));
    CHECK(manifest.layers == std::vector<Descriptor>{descriptor(media_type::oci_layer_gzip, "b")});
    CHECK(manifest.encode() == text);
}

TEST_CASE("a manifest without layers has an empty list") {
    const Manifest manifest{.media_type = std::string(media_type::oci_manifest),
                            .config = descriptor(media_type::oci_config, "a")};
    CHECK(manifest.encode().ends_with("\"layers\": []\n}"));
}

TEST_CASE("a document that could be an index or an image is refused") {
    CHECK(manifest_refusal(R"("schemaVersion":2,)" + config_member + R"(,"layers":[],"manifests":[])") ==
          "app:1: has both manifests and layers: neither an index nor an image for certain");
    CHECK_THROWS_WITH_AS(Index::parse(R"({"schemaVersion":2,"manifests":[],"layers":[]})", "app:1"),
                         "app:1: has both manifests and layers: neither an index nor an image for certain", Error);
}

TEST_CASE("a manifest says what its descriptor says") {
    const std::string rest = R"("schemaVersion":2,)" + config_member + R"(,"layers":[],"mediaType":)";
    CHECK(manifest_refusal(R"("schemaVersion":2,)" + config_member + R"(,"layers":[])") == "accepted");
    CHECK(manifest_refusal(rest + "\"application/vnd.oci.image.index.v1+json\"") ==
          "app:1: mediaType: \"application/vnd.oci.image.index.v1+json\" and not "
          "\"application/vnd.oci.image.manifest.v1+json\"");
    CHECK(manifest_refusal(rest + "\"application/vnd.docker.distribution.manifest.v2+json\"") != "accepted");
    CHECK(manifest_refusal(rest + "\"application/vnd.docker.distribution.manifest.v2+json\"", "") == "accepted");
}

TEST_CASE("what a manifest must have is asked for by name") {
    CHECK(manifest_refusal(R"("schemaVersion":1)") == "app:1: schemaVersion: 1 and not 2");
    CHECK(manifest_refusal(R"("schemaVersion":"2")") == "app:1: schemaVersion: expected an integer");
    CHECK(manifest_refusal("") == "app:1: schemaVersion: missing");
    CHECK(manifest_refusal(R"("schemaVersion":2,"layers":[])") == "app:1: config: missing");
    CHECK(manifest_refusal(R"("schemaVersion":2,)" + config_member) == "app:1: layers: missing");
    CHECK(manifest_refusal(R"("schemaVersion":2,)" + config_member + R"(,"layers":null)") == "app:1: layers: missing");
    CHECK(manifest_refusal(R"("schemaVersion":2,)" + config_member + R"(,"layers":{})") ==
          "app:1: layers: expected an array");
    CHECK(manifest_refusal(R"("schemaVersion":2,"schemaVersion":2)") ==
          "app:1: line 1, column 20: the member \"schemaVersion\" stands twice");
    CHECK(manifest_refusal(R"("a":")" + std::string(5 << 20, 'x') + "\"") == "app:1: larger than 4.0 MiB");
}

TEST_CASE("many annotations are kept, and many members that nobody knows are refused") {
    std::string many = R"("k":"")";
    for (int i = 0; i < 20'000; ++i) many += ",\"k" + std::to_string(i) + "\":\"\"";
    const std::string rest = R"("schemaVersion":2,"layers":[],)" + config_member;
    CHECK(manifest_refusal(rest + R"(,"annotations":{)" + many + "}") == "accepted");
    CHECK(manifest_refusal(rest + "," + many) == "app:1: more than 1000 members that are not known");
}

TEST_CASE("an index is written with two spaces and its images are found by platform") {
    Index index{.media_type = std::string(media_type::oci_index)};
    auto add = [&](const char* name, std::optional<Platform> platform) {
        Descriptor manifest = descriptor(media_type::oci_manifest, name);
        manifest.platform = std::move(platform);
        index.manifests.push_back(std::move(manifest));
    };
    auto found = [&](const char* platform) {
        const Descriptor* manifest = index.find(Platform::parse(platform));
        return manifest ? manifest->digest : Digest();
    };
    add("attestation", Platform{.os = "unknown", .architecture = "unknown"});
    add("v8", Platform{.architecture = "arm64", .variant = "v8"});
    add("v6", Platform{.architecture = "arm", .variant = "v6"});
    CHECK(found("linux/arm64") == Sha256::of("v8"));
    CHECK(found("linux/arm/v7") == Sha256::of("v6"));
    CHECK(found("linux/arm/v5").is_zero());
    CHECK(found("linux/amd64").is_zero());
    add("any", std::nullopt);
    CHECK(found("linux/amd64") == Sha256::of("any"));
    index.manifests.resize(2);
    CHECK(index.encode() == R"({
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "sha256:813a89a296973e35545cfa74fe3efd172a7d19443c97c625d699e9737229b0a2",
      "size": 11,
      "platform": {
        "architecture": "unknown",
        "os": "unknown"
      }
    },
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "sha256:147e82faca64a021f4af180c2acbeaa8be6a43478105110702869e353cda8c46",
      "size": 2,
      "platform": {
        "architecture": "arm64",
        "os": "linux",
        "variant": "v8"
      }
    }
  ]
})");
}

TEST_CASE("an image whose parts do not fit each other is refused") {
    ImageConfig config = full_config();
    Image image;
    image.config = config;
    image.config_bytes = config.encode();
    image.manifest.config = descriptor(media_type::oci_config, image.config_bytes);
    image.manifest.layers = {descriptor(media_type::oci_layer_gzip, "b")};
    auto refusal = [&] {
        try {
            check_image(image, "app:1");
        } catch (const Error& error) {
            return error.message();
        }
        return std::string("accepted");
    };
    CHECK(refusal() == "accepted");
    image.manifest.layers.push_back(image.manifest.layers[0]);
    CHECK(refusal() == "app:1: 2 layers, but 1 diff ID in the config");
    image.manifest.layers.pop_back();
    image.manifest.layers[0].media_type = "application/x-evil";
    CHECK(refusal() == "app:1: layers[0]: \"application/x-evil\" is no layer that can be unpacked");
    image.config_bytes += " ";
    CHECK(refusal() == "app:1: the config is not the one that the manifest names");
    image.manifest.config.media_type = "application/vnd.oci.empty.v1+json";
    CHECK(refusal() == "app:1: not an image but an artifact: its config is \"application/vnd.oci.empty.v1+json\"");
}

TEST_CASE("a chain ID folds the diff IDs from the bottom") {
    const DiffId a{Sha256::of("a")}, b{Sha256::of("b")};
    CHECK(chain_id(std::vector<DiffId>{a}).value == a.value);
    CHECK(chain_id(std::vector<DiffId>{a, b}).value == Sha256::of(a.value.text() + " " + b.value.text()));
}

TEST_CASE("of images for one platform an index gives the one of the wanted version of the system, else the first") {
    Index index;
    for (const char* version : {"10.0.17763.5", "10.0.20348.9"}) {
        Descriptor& manifest = index.manifests.emplace_back();
        manifest.digest = Sha256::of(version);
        manifest.platform = Platform{.os = "windows", .architecture = "amd64", .os_version = version};
    }
    CHECK(index.find(Platform::parse("windows(10.0.20348)/amd64")) == &index.manifests[1]);
    CHECK(index.find(Platform::parse("windows/amd64")) == &index.manifests[0]);
    CHECK(index.find(Platform::parse("windows(11.0.1)/amd64")) == &index.manifests[0]);
}
