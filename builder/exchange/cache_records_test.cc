// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/cache_records.h"

#include <doctest/doctest.h>

#include <string>

#include "base/base64.h"
#include "base/error.h"
#include "base/test_support.h"
#include "builder/cache/step_key.h"
#include "layerstore/image/image.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

StepRecord example() {
    StepRecord record;
    record.key = Sha256::of("key");
    record.preimage = "preimage";
    record.delta = "delta";
    record.files = {"root:x:0:0::/root:/bin/sh\n"};
    record.layers = {
        {{.media_type = "application/vnd.oci.image.layer.v1.tar+gzip", .digest = Sha256::of("b"), .size = 7},
         {Sha256::of("tar")},
         Sha256::of("pack")}};
    record.used = 1'700'000'000'000'000;
    return record;
}

bool same(const StepRecord& a, const StepRecord& b) {
    return a.kind == b.kind && a.key == b.key && a.preimage == b.preimage && a.delta == b.delta && a.files == b.files &&
           a.used == b.used && a.layers.size() == b.layers.size() && a.layers[0].blob == b.layers[0].blob &&
           a.layers[0].diff_id == b.layers[0].diff_id && a.layers[0].pack_key == b.layers[0].pack_key;
}

BaseRecord example_base() {
    return {Sha256::of("manifest"), {Sha256::of("root")}, {{Sha256::of("b"), {Sha256::of("d")}, "delta"}}, {"passwd"}};
}

std::string refusal(auto action) {
    try {
        action();
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::invalid_input);
        return error.message();
    }
    return {};
}

}  // namespace

TEST_CASE("records of steps and of bases come back as they were written") {
    const StepRecord step = example();
    const StepRecords steps{{{step.kind, step.key}, step}};
    const StepRecords read = decode_steps(encode_steps(steps), "cache");
    REQUIRE(read.size() == 1);
    CHECK(same(read.begin()->second, step));
    const BaseRecord base = decode_base(encode_base(example_base()), "cache");
    CHECK(base.manifest == example_base().manifest);
    CHECK(base.root == example_base().root);
    CHECK(base.layers.at(0).delta == "delta");
    CHECK(base.files == example_base().files);
    const InlineCache both = decode_inline(encode_inline({steps, {example_base()}}), "config");
    CHECK(same(both.steps.begin()->second, step));
    CHECK(both.bases.at(0).manifest == base.manifest);
}

TEST_CASE("what is no blob of records is refused, also where it is cut anywhere") {
    const StepRecord step = example();
    const std::string whole = encode_steps({{{step.kind, step.key}, step}});
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK(!refusal([&] { decode_steps(whole.substr(0, size), "cache X"); }).empty());
    CHECK(refusal([&] { decode_base(whole, "cache X"); }) == "cache X: no records that this version reads");
    CHECK(refusal([&] { decode_inline("no base64!", "cache X"); }) == "cache X: no base64");
    CHECK(!refusal([&] { decode_inline(encode_base64("abc"), "cache X"); }).empty());
}

TEST_CASE("a manifest names its records, and what is none of ours is none") {
    CacheManifest manifest;
    manifest.steps = layerstore::Descriptor{.media_type = "x", .digest = Sha256::of("steps"), .size = 5};
    manifest.bases[Sha256::of("image")] = {{.media_type = "x", .digest = Sha256::of("base"), .size = 4}, 12};
    manifest.layers = {
        {.media_type = "application/vnd.oci.image.layer.v1.tar+gzip", .digest = Sha256::of("l"), .size = 1}};
    const auto read = CacheManifest::parse(manifest.encode(), "cache");
    REQUIRE(read);
    CHECK(read->steps->digest == manifest.steps->digest);
    CHECK(read->bases.at(Sha256::of("image")).records.digest == Sha256::of("base"));
    CHECK(read->bases.at(Sha256::of("image")).used == 12);
    CHECK(read->layers == manifest.layers);
    layerstore::Manifest image{.media_type = std::string(layerstore::media_type::oci_manifest)};
    image.config = empty_config_descriptor();
    CHECK(!CacheManifest::parse(image.encode(), "cache"));
    std::string later = manifest.encode();
    later.replace(later.find("cache.v1"), 8, "cache.v2");
    CHECK_THROWS_WITH(CacheManifest::parse(later, "cache"),
                      "cache: a cache of another version: application/vnd.imgbuild.cache.v2");
}

TEST_CASE("values of variables stay here") {
    StepKey key("RUN");
    key.add("argument", "make").add("environment", "TOKEN=hunter2");
    const auto parts = StepKey::read_preimage(shareable_preimage(key.preimage()));
    CHECK(parts.at(2).second == "make");
    CHECK(parts.at(3).second == "TOKEN=" + Sha256::of("TOKEN=hunter2").hex().substr(0, 16));
}
