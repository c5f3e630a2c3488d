// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/annotation.h"

#include <doctest/doctest.h>

#include "base/test_support.h"

using namespace imgbuild;
using namespace imgbuild::cli;
using imgbuild::test::refusal;
using Place = Annotation::Place;
using Pairs = std::map<std::string, std::string>;

TEST_CASE("an annotation without a type is about every manifest, whatever colons its name and value hold") {
    for (const char* text : {"a=b:c", "manifest:a=b:c"}) {
        const std::vector<Annotation> read = parse_annotation(text);
        REQUIRE(read.size() == 1);
        CHECK(read[0].place == Place::manifest);
        CHECK_FALSE(read[0].platform);
        CHECK(read[0].name == "a");
        CHECK(read[0].value == "b:c");
    }
    CHECK(parse_annotation("org:index=x").at(0).name == "org:index");
    CHECK(parse_annotation("index=x").at(0).place == Place::manifest);
}

TEST_CASE("several types give the pair to each, and a platform in brackets to one manifest") {
    const std::vector<Annotation> read = parse_annotation("index,manifest[linux/arm64]:a=b");
    REQUIRE(read.size() == 2);
    CHECK(annotations_of(read, Place::index) == Pairs{{"a", "b"}});
    CHECK(annotations_of(read, Place::index_descriptor).empty());
    CHECK(annotations_of(read, Place::manifest, layerstore::Platform::parse("arm64")) == Pairs{{"a", "b"}});
    CHECK(annotations_of(read, Place::manifest, layerstore::Platform::parse("amd64")).empty());
}

TEST_CASE("of two annotations of one name the last one counts") {
    std::vector<Annotation> all = parse_annotation("a=1");
    for (Annotation& annotation : parse_annotation("a=2")) all.push_back(annotation);
    CHECK(annotations_of(all, Place::manifest) == Pairs{{"a", "2"}});
}

TEST_CASE("malformed annotations are refused") {
    CHECK(refusal([] { parse_annotation("index,manifests:a=b"); }) ==
          "usage: --annotation: index,manifests:a=b: no such type");
    CHECK(refusal([] { parse_annotation("manifest[linux/amd64:a=b"); }) ==
          "usage: --annotation: manifest[linux/amd64:a=b: the platform does not end in ]");
    CHECK(refusal([] { parse_annotation("index[linux/amd64]:a=b"); }) ==
          "usage: --annotation: index[linux/amd64]:a=b: an index is for all its platforms");
    CHECK(refusal([] { parse_annotation("manifest[nowhere]:a=b"); }).starts_with("usage: --annotation: platform: "));
    CHECK(refusal([] { parse_annotation("index:=b"); }).starts_with("usage: --annotation: "));
}
