// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/reference.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

const std::string hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

std::string full(std::string_view text) { return Reference::parse(text).full(); }
std::string familiar(std::string_view text) { return Reference::parse(text).familiar(); }

std::string refusal(std::string_view text) {
    try {
        Reference::parse(text);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::usage);
        return error.message();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("a short name means docker.io, library and latest") {
    CHECK(full("alpine") == "docker.io/library/alpine:latest");
    CHECK(full("alpine:3.19") == "docker.io/library/alpine:3.19");
    CHECK(full("user/app") == "docker.io/user/app:latest");
    CHECK(full("docker.io/alpine") == "docker.io/library/alpine:latest");
    CHECK(full("index.docker.io/library/alpine") == "docker.io/library/alpine:latest");
}

TEST_CASE("a first component with a dot, a port or capitals, or localhost, is a registry") {
    CHECK(full("localhost/app") == "localhost/app:latest");
    CHECK(full("localhost:5000/team/app:1") == "localhost:5000/team/app:1");
    CHECK(full("quay.io/app") == "quay.io/app:latest");
    CHECK(full("[::1]:5000/app:1") == "[::1]:5000/app:1");
    CHECK(full("Host/app") == "Host/app:latest");
}

TEST_CASE("a digest stands beside a tag or instead of one") {
    CHECK(full("alpine@sha256:" + hex) == "docker.io/library/alpine@sha256:" + hex);
    CHECK(full("alpine:3@sha256:" + hex) == "docker.io/library/alpine:3@sha256:" + hex);
    CHECK(Reference::parse("alpine@sha256:" + hex).digest->hex() == hex);
    CHECK(Reference::parse("alpine@sha256:" + hex).tag.empty());
}

TEST_CASE("the familiar name is the shortest one that means the same") {
    for (const char* name : {"alpine:latest", "user/app:1", "quay.io/app:1", "localhost:5000/a/b:1", "library/a/b:1"}) {
        CAPTURE(name);
        CHECK(familiar(name) == name);
        CHECK(full(familiar(name)) == full(name));
    }
    CHECK(familiar("docker.io/library/alpine") == "alpine:latest");
    CHECK(familiar("docker.io/library/library/a") == "library/library/a:latest");
    CHECK(familiar("docker.io/example.org/a") == "docker.io/example.org/a:latest");
    CHECK(familiar("docker.io/localhost/a:1") == "docker.io/localhost/a:1");
    CHECK(familiar("docker.io/library/" + hex) == "library/" + hex + ":latest");
}

TEST_CASE("what is no image name is refused with the part that is wrong") {
    CHECK(refusal("") == "image name: \"\": empty");
    CHECK(refusal("Alpine") == "image name: \"Alpine\": a repository is written in lower case");
    CHECK(refusal("a//b") == "image name: \"a//b\": the repository has an empty part");
    CHECK(refusal("app/") == "image name: \"app/\": the repository has an empty part");
    CHECK(refusal("a___b") ==
          "image name: \"a___b\": a repository is made of lower-case letters and digits, with \".\", \"_\", "
          "\"__\" or \"-\" between them");
    CHECK(refusal("-a") != "accepted");
    CHECK(refusal("a..b") != "accepted");
    CHECK(refusal("a.-b") != "accepted");
    CHECK(refusal("a--b__c_d.e") == "accepted");
    CHECK(refusal("app:") ==
          "image name: \"app:\": \"\" is no tag: up to 128 letters, digits, \"_\", \".\" and \"-\", the first one "
          "neither \".\" nor \"-\"");
    CHECK(refusal("app:.1") != "accepted");
    CHECK(refusal("app:" + std::string(128, 'a')) == "accepted");
    CHECK(refusal("app:" + std::string(129, 'a')) != "accepted");
    CHECK(refusal("host:port/app") ==
          "image name: \"host:port/app\": \"host:port\" is no registry: write HOST or HOST:PORT");
    CHECK(refusal("host:65536/app") ==
          "image name: \"host:65536/app\": \"host:65536\" is no registry: write HOST or HOST:PORT");
    CHECK(refusal("app@sha256:12") ==
          "image name: \"app@sha256:12\": after \"@\" stands a digest: \"sha256:\" and 64 hexadecimal digits");
    CHECK(refusal(hex) ==
          "image name: \"" + hex + "\": 64 hexadecimal digits look like a digest: write \"@sha256:\" before them");
    CHECK(refusal("a/" + std::string(260, 'b')) ==
          "image name: \"a/" + std::string(260, 'b') + "\": the name is longer than 255 bytes");
    CHECK(refusal("../../etc") != "accepted");
    CHECK(refusal("a\x1b[2J") ==
          "image name: \"a\\x1b[2J\": a repository is made of lower-case letters "
          "and digits, with \".\", \"_\", \"__\" or \"-\" between them");
}
