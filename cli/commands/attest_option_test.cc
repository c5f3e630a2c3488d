// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/attest_option.h"

#include <doctest/doctest.h>

#include "base/test_support.h"

namespace imgbuild::cli {
namespace {

using Mode = builder::ProvenanceOptions::Mode;
using Version = builder::ProvenanceOptions::Version;

AttestRequest provenance(const std::string& value) { return read_attest_options(value, {}, {}); }
AttestRequest attest(const std::vector<std::string>& values) { return read_attest_options({}, {}, values); }
std::string refused(const std::vector<std::string>& values) {
    return test::refusal([&] { attest(values); });
}

TEST_CASE("nothing is said of an image unless somebody asks for it") {
    CHECK_FALSE(read_attest_options({}, {}, {}).is_any());
    CHECK_FALSE(provenance("false").is_any());
    CHECK_FALSE(attest({"type=provenance,disabled=true"}).is_any());
    CHECK_FALSE(read_attest_options("0", "false", {}).is_any());
}

TEST_CASE("asked for in any spelling, provenance says all it knows") {
    for (const AttestRequest& request : {provenance("true"), provenance("1"), provenance("mode=max"),
                                         attest({"type=provenance"}), attest({"type=provenance,mode=max"})}) {
        REQUIRE(request.provenance);
        CHECK(request.provenance->options.mode == Mode::max);
        CHECK(request.provenance->options.version == Version::v1);
        CHECK(request.provenance->file_name == "provenance.json");
        CHECK_FALSE(request.provenance->times);
    }
}

TEST_CASE("attributes of provenance") {
    const auto request =
        provenance("mode=min,version=v0.2,builder-id=https://b,filename=p.json,reproducible=true,inline-only,times=1")
            .provenance;
    REQUIRE(request);
    CHECK(request->options.mode == Mode::min);
    CHECK(request->options.version == Version::v0_2);
    CHECK(request->options.builder_id == "https://b");
    CHECK(request->options.reproducible);
    CHECK(request->file_name == "p.json");
    CHECK(request->inline_only);
    CHECK(request->times);
}

TEST_CASE("an SBOM is made by the scanner that is named, or by BuildKit's") {
    CHECK(read_attest_options({}, "true", {}).scanner == "docker/buildkit-syft-scanner:stable-1");
    CHECK(read_attest_options({}, "generator=scan:1", {}).scanner == "scan:1");
    CHECK(attest({"type=sbom,generator=scan:2"}).scanner == "scan:2");
}

TEST_CASE("what cannot be asked for is named") {
    CHECK(refused({"mode=max"}) == "usage: --attest: mode=max: type is missing");
    CHECK(refused({"type=vex"}) == "usage: --attest: type=vex: no such attestation");
    CHECK(refused({"type=provenance,mode=some"}) == "usage: --attest: mode=some: no such mode");
    CHECK(refused({"type=provenance,version=v2"}) == "usage: --attest: version=v2: no such version");
    CHECK(refused({"type=provenance,filename=a/b"}) == "usage: --attest: filename=a/b: no file name");
    CHECK(refused({"type=provenance,mod=min"}) == "usage: --attest: mod: no such key");
    CHECK(refused({"type=sbom,scanner=x"}) == "usage: --attest: scanner: no such key");
    CHECK(refused({"type=provenance", "type=provenance"}) == "usage: --attest: provenance: asked for twice");
}

}  // namespace
}  // namespace imgbuild::cli
