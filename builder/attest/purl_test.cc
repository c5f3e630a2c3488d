// SPDX-License-Identifier: Apache-2.0
#include "builder/attest/purl.h"

#include <doctest/doctest.h>

using namespace imgbuild::builder;
using imgbuild::layerstore::Platform;

TEST_CASE("an image is named as people type it, with its tag and platform") {
    const Platform amd64 = Platform::parse("linux/amd64");
    CHECK(image_purl("docker.io/library/busybox:latest", amd64) == "pkg:docker/busybox@latest?platform=linux%2Famd64");
    CHECK(image_purl("busybox", Platform::parse("linux/arm/v7")) ==
          "pkg:docker/busybox@latest?platform=linux%2Farm%2Fv7");
    CHECK(image_purl("localhost:5000/team/app:1.2", amd64) ==
          "pkg:docker/localhost:5000/team/app@1.2?platform=linux%2Famd64");
}

TEST_CASE("a digest in a reference is a qualifier") {
    const std::string digest = "sha256:" + std::string(64, 'a');
    CHECK(image_purl("busybox@" + digest, Platform::parse("linux/amd64")) ==
          "pkg:docker/busybox?digest=" + digest + "&platform=linux%2Famd64");
}

TEST_CASE("a layout is named by its context, escaped") {
    CHECK(layout_purl("my base", Platform::parse("linux/amd64")) == "pkg:oci/my%20base?platform=linux%2Famd64");
}

TEST_CASE("an address is told without user and password") {
    CHECK(public_url("https://user:pass@host/a@b") == "https://host/a@b");
    CHECK(public_url("https://host/x?mail=a@b") == "https://host/x?mail=a@b");
    CHECK(public_url("https://token@host") == "https://host");
    CHECK(public_url("git@host:x") == "git@host:x");
}
