// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/cache_option.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "base/error.h"

using namespace imgbuild;
using namespace imgbuild::cli;

namespace {

using Texts = std::vector<std::string>;

using Variables = std::map<std::string, std::string>;

CacheOptions read(const Texts& from, const Texts& to, bool offline = false, const Variables& variables = {}) {
    return read_cache_options(from, to, offline, [&](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
}

std::string refusal(const Texts& from, const Texts& to, const Variables& variables = {}) {
    try {
        read(from, to, false, variables);
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
             {"type=local,dest=/a,mode=max,ignore-error=false,oci-mediatypes=true,image-manifest=true",
              "type=local,dest=/c,reset=true", "type=registry,ref=app:cache,mode=max", "type=inline"});
    REQUIRE(options.from.size() == 3);
    CHECK(options.from[0].place == "docker.io/library/app:cache");
    CHECK(options.from[1].place == "example.org/b:latest");
    CHECK(options.from[2].place == "/c");
    CHECK(options.from[2].tag == "x");
    CHECK(options.from[2].is_accepted);
    REQUIRE(options.to.size() == 3);
    CHECK(options.to[0].every_layer);
    CHECK(options.to[0].must_succeed);
    CHECK(options.to[1].kind == CacheOption::Kind::layout);
    CHECK(options.to[1].begins_afresh);
    CHECK(!options.to[1].every_layer);
    CHECK(!options.to[1].must_succeed);
    CHECK(options.to[2].kind == CacheOption::Kind::registry);
    CHECK(options.to[2].place == "docker.io/library/app:cache");
    CHECK(options.to[2].every_layer);
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
    CHECK(refusal({}, {"app@sha256:" + std::string(64, 'a')}).find("a digest names what is there already") !=
          std::string::npos);
}

TEST_CASE("forms of a cache that imgbuild does not write are refused with the reason") {
    CHECK(
        refusal({}, {"type=registry,ref=a,image-manifest=false"}) ==
        "--cache-to: image-manifest=false: a cache is an OCI image manifest, whatever reads it (leave image-manifest= "
        "out)");
    CHECK(!refusal({}, {"type=registry,ref=a,oci-mediatypes=0"}).empty());
    CHECK(
        read({}, {"type=registry,ref=a,compression=zstd"}).warnings ==
        Texts{"--cache-to type=registry,ref=a,compression=zstd: layers of a cache are packed as those of the image: -o "
              "…,compression= says how"});
}

TEST_CASE("the cache service of GitHub Actions is the one that the runner names") {
    const Variables old_runner{{"ACTIONS_CACHE_URL", "https://cache.example/x/"}, {"ACTIONS_RUNTIME_TOKEN", "t0ken"}};
    Variables runner{{"ACTIONS_RESULTS_URL", "https://results.example/"},
                     {"ACTIONS_CACHE_SERVICE_V2", "True"},
                     {"ACTIONS_RUNTIME_TOKEN", "t0ken"}};
    const CacheOption first = read({"type=gha"}, {}, false, old_runner).from.at(0);
    CHECK(first.kind == CacheOption::Kind::actions);
    CHECK(!first.actions.service.is_twirp);
    CHECK(first.actions.service.url == "https://cache.example/x/");
    CHECK(first.actions.service.token == "t0ken");
    CHECK(first.actions.scope == "imgbuild");
    const CacheOption second =
        read({}, {"type=gha,mode=max,scope=web,timeout=90s,ignore-error=false"}, false, runner).to.at(0);
    CHECK(second.actions.service.is_twirp);
    CHECK(second.actions.service.url == "https://results.example/");
    CHECK(second.actions.service.timeout == std::chrono::seconds(90));
    CHECK(second.actions.scope == "web");
    CHECK(second.every_layer);
    CHECK(second.must_succeed);
    const CacheOption own = read({"type=gha,url_v2=https://own.example,token=other"}, {}, false, old_runner).from.at(0);
    CHECK(own.actions.service.is_twirp);
    CHECK(own.actions.service.url == "https://own.example");
    CHECK(own.actions.service.token == "other");
    runner["ACTIONS_CACHE_MODE"] = "read";
    const CacheOptions reader = read({"type=gha"}, {"type=gha"}, false, runner);
    CHECK(reader.from.size() == 1);
    CHECK(reader.to.empty());
    CHECK(reader.warnings == Texts{"--cache-to type=gha: ACTIONS_CACHE_MODE is read: it is passed over"});
}

TEST_CASE("outside a job there is no cache of GitHub Actions") {
    const CacheOptions options = read({"type=gha"}, {}, false);
    CHECK(options.from.empty());
    REQUIRE(options.warnings.size() == 1);
    CHECK(options.warnings[0].find("ACTIONS_CACHE_URL and ACTIONS_RUNTIME_TOKEN are not both set") !=
          std::string::npos);
}

TEST_CASE("no error and no warning shows a token") {
    const Variables runner{{"ACTIONS_CACHE_URL", "https://cache.example/"}, {"ACTIONS_RUNTIME_TOKEN", "s3cret"}};
    const Texts wrong{"type=gha,token=s3cret,scope=",
                      "type=gha,token=s3cret,token=s3cret",
                      "type=gha,ghtoken=s3cret,Token=s3cret,verson=2",
                      "type=gha,token=s3cret,version=3",
                      "type=ghx,token=s3cret",
                      "token=s3cret",
                      "type=gha,\"token=s3cret"};
    for (const std::string& text : wrong) {
        const std::string said = refusal({text}, {}, runner);
        CHECK(!said.empty());
        CHECK(said.find("s3cret") == std::string::npos);
    }
    for (const std::string& warning :
         read({"type=gha,token=s3cret"}, {"type=gha,token=s3cret,compression=zstd"}, true, runner).warnings)
        CHECK(warning.find("s3cret") == std::string::npos);
    CHECK(without_tokens("type=gha, token=s3cret,scope=a") == "type=gha, token=…,scope=a");
}
