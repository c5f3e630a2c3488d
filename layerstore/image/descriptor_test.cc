// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/descriptor.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/json.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

const std::string hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

std::string refusal(const std::string& members) {
    try {
        Descriptor::from_json(parse_json("{" + members + "}", "test"), "manifest: layers[0]");
    } catch (const Error& error) {
        return error.message();
    }
    return "accepted";
}

std::string with_digest(const std::string& digest) {
    return refusal(R"("mediaType":"a/b","size":1,"digest":")" + digest + "\"");
}

std::string with_size(const std::string& size) {
    return refusal(R"("mediaType":"a/b","digest":"sha256:)" + hex + R"(","size":)" + size);
}

std::string platform(std::string_view text) { return Platform::parse(text).text(); }

std::string platform_refusal(std::string_view text) {
    try {
        Platform::parse(text);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::usage);
        return error.message();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("a descriptor keeps what it does not know, in the order of the specification") {
    const std::string text = R"({"mediaType":"a/b","digest":"sha256:)" + hex +
                             R"(","size":7,"urls":["https://x"],"annotations":{"k":"v"},)"
                             R"("platform":{"architecture":"arm64","os":"linux","variant":"v8"},)"
                             R"("artifactType":"c/d","x-future":{"z":1,"a":2}})";
    const Descriptor descriptor = Descriptor::from_json(parse_json(text, "test"), "test");
    CHECK(descriptor.size == 7);
    CHECK(descriptor.annotations.at("k") == "v");
    CHECK(write_json(descriptor.to_json()) == text);
}

TEST_CASE("only a sha256 digest becomes a digest") {
    CHECK(with_digest("sha256:" + hex) == "accepted");
    CHECK(with_digest("sha256:../../etc/passwd") ==
          "manifest: layers[0].digest: \"sha256:../../etc/passwd\" is not \"sha256:\" and 64 hexadecimal digits");
    CHECK(with_digest("sha512:" + hex + hex) == "manifest: layers[0].digest: sha512 is not supported");
    for (const std::string& bad : {std::string(), std::string(":"), hex, "sha256:" + hex + "a", "md5:" + hex,
                                   "sha256:" + hex.substr(1), "sha256:" + hex + "\\n", std::string("latest:latest")})
        CHECK(with_digest(bad).starts_with("manifest: layers[0].digest: \""));
    CHECK(refusal(R"("mediaType":"a/b","size":1)") == "manifest: layers[0].digest: missing");
    CHECK(refusal(R"("mediaType":"a/b","size":1,"digest":12345)") == "manifest: layers[0].digest: expected a string");
}

TEST_CASE("a size is a whole number that is not negative") {
    CHECK(with_size("1125899906842624") == "accepted");
    CHECK(with_size("-1") == "manifest: layers[0].size: -1 is negative");
    CHECK(with_size("-9223372036854775808") == "manifest: layers[0].size: -9223372036854775808 is negative");
    CHECK(with_size("10.5") == "manifest: layers[0].size: expected an integer");
    CHECK(with_size("\"10\"") == "manifest: layers[0].size: expected an integer");
    CHECK(with_size("null") == "manifest: layers[0].size: missing");
}

TEST_CASE("embedded data that is not what the digest says is refused") {
    const std::string good = R"("mediaType":"a/b","digest":")" + Sha256::of("hello").text() + R"(","size":5,"data":)";
    CHECK(refusal(good + "\"aGVsbG8=\"") == "accepted");
    CHECK(refusal(good + "\"aGVsbG9=\"") == "accepted");  // bits behind the last byte are padding
    CHECK(refusal(good + "\"aGVsbGA=\"") == "manifest: layers[0].data: not what the digest says");
    CHECK(refusal(good + "\"aGVsbG8hIQ==\"") == "manifest: layers[0].data: not what the digest says");
    CHECK(refusal(good + "\"***\"") == "manifest: layers[0].data: not base64");
}

TEST_CASE("a layer's media type says its compression, and what cannot be unpacked is no layer") {
    CHECK(layer_compression(media_type::oci_layer_zstd) == Compression::zstd);
    CHECK(layer_compression(media_type::docker_layer_gzip) == Compression::gzip);
    CHECK(layer_compression("application/vnd.oci.image.layer.nondistributable.v1.tar") == Compression::none);
    CHECK_FALSE(layer_compression("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"));
    CHECK_FALSE(layer_compression("application/vnd.in-toto+json"));
    for (Compression compression : {Compression::none, Compression::gzip, Compression::zstd})
        CHECK(layer_compression(oci_layer_type(compression)) == compression);
}

TEST_CASE("a platform is written in one way") {
    CHECK(platform("linux/amd64") == "linux/amd64");
    CHECK(platform("linux/x86_64") == "linux/amd64");
    CHECK(platform("linux/amd64/v1") == "linux/amd64");
    CHECK(platform("linux/amd64/v3") == "linux/amd64/v3");
    CHECK(platform("linux/arm64/v8") == "linux/arm64");
    CHECK(platform("linux/aarch64") == "linux/arm64");
    CHECK(platform("linux/arm") == "linux/arm/v7");
    CHECK(platform("linux/arm/6") == "linux/arm/v6");
    CHECK(platform("armhf") == "linux/arm/v7");
    CHECK(platform("arm64") == "linux/arm64");
    CHECK(platform("Linux/AMD64") == "linux/amd64");
    CHECK(Platform::parse("windows(10.0.17763)/amd64").os_version == "10.0.17763");
    CHECK(Platform::parse("windows(10.0.17763)/amd64").text() == "windows(10.0.17763)/amd64");
    CHECK(Platform::parse("linux").architecture == Platform::host().architecture);
}

TEST_CASE("what is no platform is refused") {
    CHECK(platform_refusal("") == "platform: \"\": expected os/architecture[/variant]");
    CHECK(platform_refusal("a/b/c/d") == "platform: \"a/b/c/d\": expected os/architecture[/variant]");
    CHECK(platform_refusal("linuks") == "platform: \"linuks\": neither an operating system nor an architecture");
    CHECK(platform_refusal("linux/../v1") == "platform: \"linux/../v1\": \"..\" is no architecture");
    CHECK(platform_refusal("linux/") == "platform: \"linux/\": \"\" is no architecture");
    CHECK(platform_refusal("linux/am d64") == "platform: \"linux/am d64\": \"am d64\" is no architecture");
    CHECK(platform_refusal("linux/arm/..\n") == "platform: \"linux/arm/..\\n\": \"..\\n\" is no variant");
    CHECK(platform_refusal("li nux/arm") == "platform: \"li nux/arm\": \"li nux\" is no operating system");
}

TEST_CASE("older variants of a platform are acceptable, best first") {
    auto acceptable = [](const char* text) {
        std::string list;
        for (const Platform& other : Platform::parse(text).acceptable()) list += other.text() + " ";
        return list;
    };
    CHECK(acceptable("linux/arm/v7") == "linux/arm/v7 linux/arm/v6 linux/arm/v5 ");
    CHECK(acceptable("linux/arm64") == "linux/arm64 linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5 ");
    CHECK(acceptable("linux/amd64") == "linux/amd64 linux/386 ");
    CHECK(acceptable("linux/amd64/v3") == "linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/386 ");
    CHECK(acceptable("linux/s390x") == "linux/s390x ");
}
