// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/base64.h"
#include "base/error.h"
#include "base/fd.h"
#include "fetch/accounts/auth_file.h"
#include "fetch/accounts/credential_helper.h"
#include "fetch/accounts/credential_search.h"
#include "fetch/accounts/token_jar.h"
#include "fetch/test_home.h"

using namespace imgbuild;
using namespace imgbuild::fetch;

namespace {

// A home that credentials are looked for in.
struct Home : test::Home {
    std::string user(const std::string& domain, const std::string& repository = "team/app") const {
        return search_credential(surroundings(), domain, repository).credential.user;
    }
};

std::string entry(const std::string& key, const std::string& user) {
    return R"({"auths":{")" + key + R"(":{"auth":")" + encode_base64(user + ":secret") + R"("}}})";
}

template <class Action>
std::string error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.full_message() + " " + error.hint();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a token jar keeps the last token under each key, in memory and nowhere else") {
    use_token_jar(-1);
    remember_token("https://a.io/v2 x ", "Bearer 1");
    CHECK(recall_token("https://a.io/v2 x ").empty());
    const Fd jar(::memfd_create("jar", MFD_CLOEXEC));
    use_token_jar(jar.get());
    remember_token("https://a.io/v2 x ", "Bearer 1");
    remember_token("https://a.io/v2 x pull,push", "Bearer 2");
    remember_token("https://a.io/v2 x ", "Bearer 3");
    CHECK(recall_token("https://a.io/v2 x ") == "Bearer 3");
    CHECK(recall_token("https://a.io/v2 x pull,push") == "Bearer 2");
    CHECK(recall_token("https://a.io/v2 ").empty());
    CHECK(recall_token("").empty());
    remember_token("big", std::string(600 * 1024, 'x'));
    CHECK(recall_token("big").empty());
    for (int i = 0; i < 100; ++i) remember_token("key", std::string(10 * 1024, 'x'));
    CHECK(recall_token("key") == std::string(10 * 1024, 'x'));
    const Home home;
    home.write("file", "");
    const Fd file(::open(home.path("file").c_str(), O_RDWR | O_CLOEXEC));
    use_token_jar(file.get());
    remember_token("key", "Bearer 1");
    CHECK(home.read("file").empty());
    use_token_jar(-1);
}

TEST_CASE("base64 is read back, and refused where it is none") {
    for (const char* text : {"", "a", "ab", "abc", "user:p\xc3\xa4ss"})
        CHECK(decode_base64(encode_base64(text)) == text);
    CHECK(decode_base64("YQ") == "a");
    for (const char* text : {"a", "a===", "a b=", "YQ==YQ=="}) CHECK_FALSE(decode_base64(text));
}

TEST_CASE("credentials are looked for in the order of the documentation") {
    Home home;
    home.variables["REGISTRY_AUTH_FILE"] = home.path("first.json");
    home.variables["DOCKER_AUTH_CONFIG"] = entry("h:1", "second");
    home.variables["DOCKER_CONFIG"] = home.path("third");
    home.variables["XDG_RUNTIME_DIR"] = home.path("run");
    home.variables["XDG_CONFIG_HOME"] = home.path("config");
    home.write("first.json", entry("h:1", "first"));
    home.write("third/config.json", entry("h:1", "third"));
    home.write("run/containers/auth.json", entry("h:1", "fourth"));
    home.write("config/containers/auth.json", entry("h:1", "fifth"));
    home.write(".docker/config.json", entry("h:1", "sixth"));
    home.write(".dockercfg", R"({"h:1":{"auth":")" + encode_base64("seventh:secret") + R"("}})");
    CHECK(home.user("h:1") == "first");
    home.write("first.json", "");
    CHECK(home.user("h:1") == "second");
    home.variables.erase("DOCKER_AUTH_CONFIG");
    CHECK(home.user("h:1") == "third");
    home.write("third/config.json", "{}");
    CHECK(home.user("h:1") == "fourth");
    home.write("run/containers/auth.json", "{}");
    CHECK(home.user("h:1") == "fifth");
    home.write("config/containers/auth.json", "{}");
    CHECK(home.user("h:1") == "sixth");
    home.write(".docker/config.json", "{}");
    CHECK(home.user("h:1") == "seventh");
    home.write(".dockercfg", "{}");
    CHECK(home.user("h:1").empty());
}

TEST_CASE("a credential is for one registry and its port, or for a namespace of it") {
    Home home;
    home.write(".docker/config.json", entry("reg.example", "joe"));
    CHECK(home.user("reg.example") == "joe");
    for (const char* domain : {"reg.example.evil.org", "reg.example:5000", "evil-reg.example", "example"})
        CHECK(home.user(domain).empty());
    home.write(".docker/config.json", entry("https://reg.example/v2/", "joe"));
    CHECK(home.user("reg.example") == "joe");
    home.write(".docker/config.json",
               R"({"auths":{"h/team":{"username":"team","password":"a"},"h":{"username":"all","password":"b"}}})");
    CHECK(home.user("h", "team/app") == "team");
    CHECK(home.user("h", "teams/app") == "all");
}

TEST_CASE("Docker Hub goes by docker's name for it") {
    Home home;
    home.write(".docker/config.json", entry("https://index.docker.io/v1/", "joe"));
    CHECK(home.user("docker.io", "library/alpine") == "joe");
}

TEST_CASE("a helper for the registry comes before the file, and the file before the helper for all") {
    Home home;
    home.write("bin/docker-credential-mine",
               "#!/bin/sh\nread server\necho \"{\\\"Username\\\":\\\"$1-$server\\\",\\\"Secret\\\":\\\"s\\\"}\"\n",
               0755);
    const char* path = std::getenv("PATH");
    ::setenv("PATH", (home.path("bin") + ":" + (path ? path : "")).c_str(), 1);
    home.write(".docker/config.json", R"({"credHelpers":{"h":"mine"},"auths":{"h":{"username":"u","password":"p"}}})");
    CHECK(home.user("h") == "get-h");
    home.write(".docker/config.json", R"({"credsStore":"mine","auths":{"h":{"username":"u","password":"p"},"g":{}}})");
    CHECK(home.user("h") == "u");
    CHECK(home.user("g") == "get-g");
    CHECK(home.user("docker.io", "library/a") == "get-https://index.docker.io/v1/");
    ::setenv("PATH", path ? path : "", 1);
}

TEST_CASE("a helper whose name could be a path, or that is not there, is refused") {
    for (const char* name : {"../evil", "a/b", "", ".", "a b", "a;b"})
        CHECK(error_of([&] { ask_credential_helper(name, "h"); }).find("no name of one") != std::string::npos);
    CHECK(error_of([&] { ask_credential_helper("is-not-installed", "h"); }) ==
          "credential helper: no program docker-credential-is-not-installed on PATH ");
    CHECK(error_of([&] { ask_credential_helper("is-not-installed", "h\nx"); }).find("line break") != std::string::npos);
}

TEST_CASE("what a file of credentials holds is never shown where it is wrong") {
    Home home;
    for (const char* text : {R"({"auths":{"h":{"auth":"c2VjcmV0"}}})", R"({"auths":{"h":{"auth":"s3cret!"}}})",
                             R"({"auths":{"h":"s3cret"}})", R"({"auths":"s3cret"})", "[\"s3cret\"]", "s3cret"}) {
        home.write(".docker/config.json", text);
        const std::string message = error_of([&] { home.user("h"); });
        CHECK(message != "no error");
        CHECK_MESSAGE(message.find("s3cret") == std::string::npos, message);
        CHECK(message.find("config.json") != std::string::npos);
    }
}

TEST_CASE("what is saved is found, read by nobody else, and leaves what stood there") {
    Home home;
    home.write(".docker/config.json", R"({"HttpHeaders":{"a":"b"},"auths":{"g":{"auth":"YTpi"}}})");
    CHECK(save_credential(home.surroundings(), "docker.io", {"joe", "pass:word", {}, {}}) ==
          home.path(".docker/config.json"));
    CHECK(search_credential(home.surroundings(), "docker.io", "a/b").credential.password == "pass:word");
    CHECK(home.read(".docker/config.json").find("HttpHeaders") != std::string::npos);
    CHECK(home.user("g") == "a");
    struct stat status {};
    REQUIRE(::stat(home.path(".docker/config.json").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(remove_credentials(home.surroundings(), "docker.io") == std::vector{home.path(".docker/config.json")});
    CHECK(home.user("docker.io").empty());
    CHECK(home.user("g") == "a");
}

TEST_CASE("what is saved goes where a variable says") {
    Home home;
    home.variables["DOCKER_CONFIG"] = home.path("ci");
    CHECK(save_credential(home.surroundings(), "h:1", {"joe", "p", {}, {}}) == home.path("ci/config.json"));
    CHECK(home.user("h:1") == "joe");
}

TEST_CASE("kubernetes' name for docker's file is told") {
    Home home;
    home.variables["DOCKER_CONFIG"] = home.path("secret");
    home.write("secret/.dockerconfigjson", "{}");
    const auto steps = search_credential(home.surroundings(), "h", "").steps;
    CHECK(steps.front().outcome ==
          "not there, but " + home.path("secret/.dockerconfigjson") + " is: mount it as config.json");
}
