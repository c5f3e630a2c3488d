// SPDX-License-Identifier: Apache-2.0
#include "fetch/engine.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/digest.h"
#include "base/error.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "fetch/referrers.h"

using namespace imgbuild;
using namespace imgbuild::fetch;
using imgbuild::test::refusal;

namespace {

Surroundings with(std::map<std::string, std::string> variables) {
    Surroundings surroundings;
    surroundings.variable = [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    return surroundings;
}

void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
}

std::vector<std::string> addresses(const std::vector<EnginePlace>& places) {
    std::vector<std::string> list;
    for (const EnginePlace& place : places) list.push_back(place.address);
    return list;
}

}  // namespace

TEST_CASE("without a word of anybody the usual sockets are tried, docker's first") {
    CHECK(addresses(engine_places(with({{"HOME", "/h"}, {"XDG_RUNTIME_DIR", "/run/user/7"}}))) ==
          std::vector<std::string>{"unix:///var/run/docker.sock", "unix:///run/user/7/docker.sock",
                                   "unix:///h/.docker/run/docker.sock", "unix:///run/user/7/podman/podman.sock",
                                   "unix:///run/podman/podman.sock"});
}

TEST_CASE("an engine that somebody named is the only one") {
    const auto places = engine_places(with({{"DOCKER_HOST", "tcp://h:2376"},
                                            {"CONTAINER_HOST", "unix:///x"},
                                            {"DOCKER_TLS_VERIFY", "1"},
                                            {"DOCKER_CERT_PATH", "/certificates"}}));
    REQUIRE(places.size() == 1);
    CHECK(places[0].address == "tcp://h:2376");
    CHECK(places[0].said_by == "DOCKER_HOST");
    CHECK(places[0].certificates == "/certificates");
    CHECK(addresses(engine_places(with({{"CONTAINER_HOST", "unix:///x"}}))) == std::vector<std::string>{"unix:///x"});
    CHECK(refusal([] {
              engine_places(with({{"DOCKER_HOST", "ssh://me@h"}}));
          }) == "unsupported: find the engine: DOCKER_HOST says ssh://me@h");
}

TEST_CASE("a docker context names an engine, by the environment or by docker's configuration") {
    const TemporaryDirectory folder = TemporaryDirectory::create();
    const std::string home = folder.path();
    write(home + "/.docker/contexts/meta/" + Sha256::of("work").hex() + "/meta.json",
          R"({"Name":"work","Endpoints":{"docker":{"Host":"unix:///run/work.sock"}}})");
    const auto places = engine_places(with({{"HOME", home}, {"DOCKER_CONTEXT", "work"}}));
    REQUIRE(places.size() == 1);
    CHECK(places[0].address == "unix:///run/work.sock");
    CHECK(places[0].said_by == "the docker context work");
    write(home + "/.docker/config.json", R"({"currentContext":"work"})");
    CHECK(engine_places(with({{"HOME", home}})).size() == 1);
    CHECK(engine_places(with({{"HOME", home}, {"DOCKER_CONTEXT", "default"}})).size() > 1);
    CHECK(refusal([&] {
              engine_places(with({{"HOME", home}, {"DOCKER_CONTEXT", "gone"}}));
          }).starts_with("not_found: find the engine: the docker context gone: "));
}

TEST_CASE("what an engine says of a load is its last line, and an error is an error") {
    CHECK(words_of_load("{\"status\":\"Loading\"}\n{\"stream\":\"Loaded image: app:1\\n\"}\n\n") ==
          "Loaded image: app:1");
    CHECK(words_of_load("").empty());
    CHECK(refusal([] { words_of_load("{\"stream\":\"a\"}\n{\"error\":\"no space\"}"); }) ==
          "unavailable: does not take the image");
    CHECK(refusal([] { words_of_load("<html>"); }).starts_with("invalid_input: "));
}

TEST_CASE("the next page of a list is where its Link header says") {
    CHECK(next_page("</v2/a/referrers/x?last=1>; rel=\"next\"") == "/v2/a/referrers/x?last=1");
    CHECK(next_page("</first>; rel=\"first\", </b>; title=x; rel=next") == "/b");
    CHECK(next_page("</b>; rel=prev").empty());
    CHECK(next_page("").empty());
    CHECK(next_page("nonsense").empty());
}
