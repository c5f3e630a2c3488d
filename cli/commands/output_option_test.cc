// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/output_option.h"

#include <doctest/doctest.h>

#include "base/test_support.h"

namespace imgbuild::cli {
namespace {

using Kind = OutputOption::Kind;

std::string refused(const std::string& text) {
    return test::refusal([&] { parse_output(text); });
}

TEST_CASE("each type has its kind and its place") {
    struct Row {
        const char* text;
        Kind kind;
        const char* destination;
    };
    for (const Row& row :
         {Row{"out", Kind::directory, "out"}, Row{"-", Kind::tar, "-"}, Row{"type=oci", Kind::oci_archive, "-"},
          Row{"type=oci,dest=a.tar", Kind::oci_archive, "a.tar"},
          Row{"type=oci,tar=false,dest=a", Kind::oci_layout, "a"}, Row{"type=docker", Kind::engine, ""},
          Row{"type=docker,context=work", Kind::engine, ""}, Row{"type=docker,tar=false,dest=a", Kind::oci_layout, "a"},
          Row{"type=docker,dest=a", Kind::docker_archive, "a"}, Row{"type=docker,dest=-", Kind::docker_archive, "-"},
          Row{"type=image", Kind::store, ""}, Row{"type=local,dest=a", Kind::directory, "a"},
          Row{"type=tar", Kind::tar, "-"}, Row{"type=tar,\"dest=a,b\"", Kind::tar, "a,b"},
          Row{"type=cacheonly", Kind::nothing, ""}}) {
        CAPTURE(row.text);
        const OutputOption output = parse_output(row.text);
        CHECK(output.kind == row.kind);
        CHECK(output.destination == row.destination);
    }
}

TEST_CASE("layers are gzip at its own level unless something else is asked for") {
    CHECK(parse_output("type=image").packing.compression == Compression::gzip);
    CHECK(parse_output("type=image").packing.level == default_level(Compression::gzip));
    const OutputOption output = parse_output("type=oci,compression=zstd,compression-level=9,force-compression=true");
    CHECK(output.packing.compression == Compression::zstd);
    CHECK(output.packing.level == 9);
    CHECK(output.force_compression);
    for (const char* text : {"type=oci,compression=zstd", "type=oci,compression=zstd,compression-level=0"})
        CHECK(parse_output(text).packing.level == default_level(Compression::zstd));
    CHECK_FALSE(parse_output("type=docker,dest=a,oci-mediatypes=false").oci_media_types);
}

TEST_CASE("statements have a form in images, and a place beside files") {
    CHECK(parse_output("type=oci").oci_artifact);
    CHECK_FALSE(parse_output("type=oci,oci-artifact=false").oci_artifact);
    const OutputOption output = parse_output("type=local,dest=a,platform-split=false,attestation-prefix=x-");
    CHECK(output.platform_split == false);
    CHECK(output.attestation_prefix == "x-");
    CHECK_FALSE(parse_output("type=tar").platform_split);
    CHECK(refused("type=tar,attestation-prefix=a/") ==
          "usage: --output: attestation-prefix=a/: no beginning of a file name");
    CHECK(refused("type=oci,platform-split=true") == "usage: --output: platform-split: no such key");
}

TEST_CASE("names are full references") {
    CHECK(parse_output("type=image,\"name=a,*,b:2\"").names ==
          std::vector<std::string>{"docker.io/library/a:latest", "docker.io/library/b:2"});
}

TEST_CASE("annotations of an output are written as those of --annotation, names as they are") {
    CHECK(parse_output("type=image,annotation.org.Example=a,annotation-index.b=x:y,annotation[linux/arm64].c=d,"
                       "annotation-manifest-descriptor[linux/arm64].e.f=g")
              .annotations == std::vector<std::string>{"index:b=x:y", "manifest-descriptor[linux/arm64]:e.f=g",
                                                       "manifest:org.Example=a", "manifest[linux/arm64]:c=d"});
    CHECK(refused("type=local,dest=a,annotation.b=c") == "usage: --output: annotation.b= goes with images");
    CHECK(refused("type=oci,annotations.b=c") == "usage: --output: annotations.b: no such key");
}

TEST_CASE("a directory keeps what the result does not have, unless it is told otherwise") {
    CHECK_FALSE(parse_output("type=local,dest=a").deletes_others);
    CHECK_FALSE(parse_output("type=local,dest=a,mode=copy").deletes_others);
    CHECK(parse_output("type=local,dest=a,mode=delete").deletes_others);
    CHECK(refused("type=local,dest=a,mode=move") == "usage: --output: mode=move: no such mode");
    CHECK(refused("type=tar,mode=delete") == "usage: --output: mode= goes with type=local");
}

TEST_CASE("an image is named in the store unless it is pushed and not kept") {
    CHECK(parse_output("type=image,push=true,name=a").is_in_store());
    CHECK(parse_output("type=docker").is_in_store());
    CHECK_FALSE(parse_output("type=image,push=true,name=a,store=false").is_in_store());
    CHECK_FALSE(parse_output("type=image,push=true,push-by-digest=true,name=a").is_in_store());
    CHECK_FALSE(parse_output("type=registry,name=a").is_in_store());
    CHECK(refused("type=image,store=false") ==
          "usage: --output: store=false: there is nothing left to do without push=true");
}

TEST_CASE("what is wrong is named, and what is near") {
    CHECK(refused("dest=a") == "usage: --output: type is required for output");
    CHECK(refused("type=loc,dest=a") == "usage: --output: unknown type: loc");
    CHECK(refused("type=oci,dst=a") == "usage: --output: dst: no such key");
    CHECK(refused("type=oci,a") == "usage: --output: a: no such key");
    CHECK(refused("type=local") == "usage: --output: dest= is missing");
    CHECK(refused("type=local,dest=-") == "usage: --output: a directory cannot go to standard output");
    CHECK(refused("type=image,dest=a") == "usage: --output: dest= does not go with this type");
    CHECK(refused("type=local,dest=a,tar=false") ==
          "usage: --output: tar= goes with type=oci, and with type=docker where that has a dest=");
    CHECK(refused("type=docker,tar=false") ==
          "usage: --output: tar= goes with type=oci, and with type=docker where that has a dest=");
    CHECK(refused("type=image,context=work") == "usage: --output: context= goes with type=docker without a dest=");
    CHECK(refused("type=local,dest=a,compression=zstd") == "usage: --output: compression: no such key");
    CHECK(refused("type=oci,compression=xz") == "usage: --output: unknown compression: xz");
    CHECK(refused("type=oci,compression=estargz") == "usage: --output: compression=estargz: not written");
    CHECK(refused("type=oci,compression-level=10") == "usage: --output: compression-level=10: no level of gzip");
    CHECK(refused("type=oci,force-compression=perhaps") ==
          "usage: --output: force-compression=perhaps: expected true or false");
}

TEST_CASE("what cannot be done is refused rather than left out") {
    CHECK(refused("type=registry,push=false") ==
          "usage: --output: type=registry,push=false: there is nothing left to do");
    CHECK(refused("type=oci,push=true") == "usage: --output: push= goes with type=image");
    CHECK(refused("type=image,push-by-digest=true") == "usage: --output: push-by-digest= goes with push=true");
    CHECK(refused("type=registry,dest=x") == "usage: --output: dest= does not go with this type");
    CHECK(refused("type=image,push=false") == "accepted");
    CHECK(refused("type=image,unpack=true,name-canonical=true,dangling-name-prefix=a,registry.insecure=false,"
                  "prefer-nondist-layers=false") == "accepted");
    CHECK(refused("type=registry,registry.insecure=true") ==
          "usage: --output: registry.insecure=true: not decided by an output");
    CHECK(refused("type=oci,prefer-nondist-layers=true") ==
          "usage: --output: prefer-nondist-layers=true: layers of a base stay as they are only without "
          "force-compression");
    CHECK(refused("type=oci,rewrite-timestamp=true") == "accepted");
    CHECK(refused("type=oci,rewrite-timestamp=false") ==
          "usage: --output: rewrite-timestamp=false: the times of all outputs are said once");
    CHECK(refused("type=oci,oci-mediatypes=false") ==
          "usage: --output: oci-mediatypes=false: an OCI layout has OCI's media types");
}

TEST_CASE("outputs must agree on layers, and on who has standard output") {
    const auto check = [](const std::vector<std::string>& texts) {
        std::vector<OutputOption> outputs;
        for (const std::string& text : texts) outputs.push_back(parse_output(text));
        return test::refusal([&] { check_outputs(outputs); });
    };
    CHECK(check({"type=oci,dest=a", "type=image", "out", "type=tar"}) == "accepted");
    CHECK(check({"type=oci", "type=tar"}) == "usage: --output: two outputs cannot both go to standard output");
    CHECK(check({"type=oci,dest=a,compression=zstd", "type=image"}) ==
          "usage: --output: two outputs want different layers");
    CHECK(check({"type=oci,dest=a,compression=zstd", "out"}) == "accepted");
}

}  // namespace
}  // namespace imgbuild::cli
