// SPDX-License-Identifier: Apache-2.0
#include "builder/attest/sbom.h"

#include <doctest/doctest.h>

#include "base/json.h"
#include "base/test_support.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

std::string report(const std::string& type, const std::string& predicate) {
    return R"({"_type":"https://in-toto.io/Statement/v0.1","predicateType":")" + type +
           R"(","subject":[{"name":"x"}])" + predicate + "}";
}

std::string refused(const std::string& text) {
    return test::refusal([&] { make_sbom(text, {}, "a.spdx.json"); });
}

}  // namespace

TEST_CASE("a report keeps its predicate and is about what the builder knows to have made") {
    const Statement made = make_sbom(report("https://spdx.dev/Document", R"(,"predicate":{"spdxVersion":"SPDX-2.3"})"),
                                     {{"_", Sha256::of("image")}}, "a.spdx.json");
    CHECK(made.predicate_type == "https://spdx.dev/Document");
    const Json document = parse_json(made.bytes, "statement");
    CHECK(document["_type"] == "https://in-toto.io/Statement/v1");
    CHECK(document["subject"].size() == 1);
    CHECK(document["subject"][0]["digest"]["sha256"] == Sha256::of("image").hex());
    CHECK(document["predicate"] == Json::parse(R"({"spdxVersion":"SPDX-2.3"})"));
}

TEST_CASE("what is no report is named") {
    CHECK(refused("[]") == "invalid_input: a.spdx.json: no in-toto statement");
    CHECK(refused(R"({"_type":"x"})") == "invalid_input: a.spdx.json: no in-toto statement");
    CHECK(refused(report("x", "")) ==
          "invalid_input: a.spdx.json: predicateType: \"x\" and not \"https://spdx.dev/Document\"");
    CHECK(refused(report("https://spdx.dev/Document", "")) == "invalid_input: a.spdx.json: has no predicate");
    CHECK(refused("{").starts_with("invalid_input: a.spdx.json"));
}
