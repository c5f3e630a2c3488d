// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/cache_option.h"

#include <doctest/doctest.h>

#include <string>

#include "base/error.h"

using namespace imgbuild;
using namespace imgbuild::cli;

namespace {

using Texts = std::vector<std::string>;

CacheOptions read(const Texts& from, const Texts& to, bool offline = false) {
    return read_cache_options(from, to, offline);
}

std::string refusal(const Texts& from, const Texts& to) {
    try {
        read(from, to);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::usage);
        return error.full_message() + (error.hint().empty() ? "" : " (" + error.hint() + ")");
    }
    return {};
}

}  // namespace

TEST_CASE("places of caches are read as buildx spells them") {
    const CacheOptions options =
        read({"app:cache,example.org/b", "type=local,src=/c,tag=x,trust=accept"},
             {"type=local,dest=/a,mode=max,ignore-error=false,compression=zstd,image-manifest=true",
              "type=local,dest=/c,reset=true", "type=inline"});
    REQUIRE(options.from.size() == 3);
    CHECK(options.from[0].place == "docker.io/library/app:cache");
    CHECK(options.from[1].place == "example.org/b:latest");
    CHECK(options.from[2].place == "/c");
    CHECK(options.from[2].tag == "x");
    CHECK(options.from[2].is_accepted);
    REQUIRE(options.to.size() == 2);
    CHECK(options.to[0].every_layer);
    CHECK(options.to[0].must_succeed);
    CHECK(options.to[1].kind == CacheOption::Kind::layout);
    CHECK(options.to[1].begins_afresh);
    CHECK(!options.to[1].every_layer);
    CHECK(!options.to[1].must_succeed);
    CHECK(options.inline_cache);
    CHECK(options.warnings.empty());
}

TEST_CASE("what is not here is passed over with a word") {
    CHECK(read({"type=s3,bucket=b"}, {}).warnings ==
          Texts{"--cache-from type=s3,bucket=b: imgbuild keeps no cache there: it is passed over"});
    const CacheOptions offline = read({"app"}, {"type=local,dest=/c"}, true);
    CHECK(offline.from.empty());
    CHECK(offline.to.size() == 1);
    CHECK(offline.warnings == Texts{"--cache-from app: --offline asks for it: it is passed over"});
}

TEST_CASE("what says no place is refused") {
    CHECK(refusal({"type=registry"}, {}) == "--cache-from: type=registry: ref= is missing");
    CHECK(refusal({}, {"type=local,src=/c"}) == "--cache-to: type=local,src=/c: dest= is missing");
    CHECK(refusal({"type=locl,src=/c"}, {}) == "--cache-from: locl: no such type (did you mean local?)");
    CHECK(refusal({"type=inline"}, {}) ==
          "--cache-from: type=inline: such a cache is in an image (name the image with type=registry,ref=)");
    CHECK(refusal({}, {"type=local,dest=/c,mode=most"}) == "--cache-to: most: no such mode (there are min and max)");
    CHECK(refusal({"type=local,src=/c,trust=me"}, {}) ==
          "--cache-from: me: no such trust (there are verify and accept)");
    CHECK(!refusal({"type=local,src=/c,tga=x"}, {}).empty());
    CHECK(!refusal({}, {"a,b"}).empty());
    CHECK(refusal({}, {"app:cache"}) ==
          "--cache-to: app:cache: imgbuild pushes no cache (export to a directory with type=local,dest=)");
}
