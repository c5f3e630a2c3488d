// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "base/stream.h"
#include "fetch/accounts/authorizer.h"
#include "fetch/push.h"
#include "fetch/refusal.h"
#include "fetch/request.h"
#include "fetch/transfer.h"
#include "fetch/url.h"

using namespace imgbuild;
using namespace imgbuild::fetch;

TEST_CASE("a URL is http or https, with its port filled in and its fragment dropped") {
    Url url = Url::parse("https://Example.org/a/b%20c.tgz?sig=secret#part");
    CHECK(url.scheme == "https");
    CHECK(url.host == "example.org");
    CHECK(url.port == "443");
    CHECK(url.path == "/a/b%20c.tgz");
    CHECK(url.text.find('#') == std::string::npos);
    CHECK(Url::parse("http://[::1]:5000").host == "[::1]");
}

TEST_CASE("what is shown of a URL holds no signature and no password") {
    CHECK(Url::parse("https://h/a?sig=secret").shown() == "https://h/a");
    CHECK(Url::parse("http://h:8080/a").shown() == "http://h:8080/a");
    CHECK_THROWS_WITH_AS(Url::parse("https://me:secret@h/a?sig=x"), "URL: h/a: holds a name or a password", Error);
    CHECK_THROWS_WITH_AS(Url::parse("ftp://me:secret@h/a"), "URL: h/a: only http and https are fetched", Error);
    CHECK_THROWS_WITH_AS(Url::parse("file:///etc/passwd"), "URL: file:///etc/passwd: only http and https are fetched",
                         Error);
    CHECK_THROWS_AS(Url::parse("no url"), Error);
    CHECK_THROWS_AS(Url::parse("http://h/" + std::string(9000, 'a')), Error);
}

TEST_CASE("a redirect may be relative, and may not leave http") {
    Url url = Url::parse("https://h/v2/a?x=1");
    CHECK(url.resolve("/other").text == "https://h/other");
    CHECK(url.resolve("b").text == "https://h/v2/b");
    CHECK(url.resolve("//cdn.example/x").host == "cdn.example");
    CHECK_THROWS_AS(url.resolve("file:///etc/passwd"), Error);
    CHECK_THROWS_AS(url.resolve("https://u:p@h/"), Error);
}

TEST_CASE("an origin is scheme, host and port") {
    Url url = Url::parse("https://h/a");
    CHECK(url.same_origin(Url::parse("https://H:443/b")));
    CHECK_FALSE(url.same_origin(Url::parse("http://h:443/a")));
    CHECK_FALSE(url.same_origin(Url::parse("https://h:444/a")));
    CHECK_FALSE(url.same_origin(Url::parse("https://h.example/a")));
}

TEST_CASE("a file is named by the last part of the path, and never by one that leaves its directory") {
    CHECK(Url::parse("http://h/d/a%20b.tgz?c/d").file_name() == "a b.tgz");
    for (const char* text :
         {"http://h", "http://h/", "http://h/d/", "http://h/%2e%2e", "http://h/a%2Fb", "http://h/a%00"})
        CHECK(Url::parse(text).file_name() == "__unnamed__");
}

TEST_CASE("only loopback registries are spoken to without TLS") {
    CHECK(registry_address("localhost:5000") == "http://localhost:5000");
    CHECK(registry_address("127.1.2.3") == "http://127.1.2.3");
    CHECK(registry_address("[::1]:5000") == "http://[::1]:5000");
    CHECK(registry_address("[::1]") == "http://[::1]");
    CHECK(registry_address("docker.io") == "https://registry-1.docker.io");
    for (const char* domain : {"127.0.0.1.example.org", "localhost.example.org", "127.0.0", "127.0.0.1.1", "128.0.0.1",
                               "127.0.0.256", "[::2]"})
        CHECK(registry_address(domain) == std::string("https://") + domain);
}

TEST_CASE("a challenge says where the token is and for what") {
    const auto address = [](std::string_view header) {
        const auto challenges = parse_challenges(header);
        REQUIRE_FALSE(challenges.empty());
        const std::string scope = challenges.front().parameter("scope");
        return token_address(challenges.front(),
                             scope.empty() ? std::vector<std::string>{} : std::vector<std::string>{scope});
    };
    CHECK(address(R"(Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull")") ==
          "https://auth.example/token?service=reg&scope=repository%3Aa%2Fb%3Apull");
    CHECK(address(R"(bearer  realm="https://h/t?x=1" , service=a\ , Basic realm="b")") ==
          "https://h/t?x=1&service=a%5C");
    const auto both = parse_challenges(R"(Bearer realm="https://h/t" , Basic realm="b", charset=x)");
    REQUIRE(both.size() == 2);
    CHECK(both[1].scheme == "basic");
    CHECK(both[1].parameter("realm") == "b");
    CHECK(parse_challenges(R"(Bearer realm="https://h/\"q")").front().parameter("realm") == R"(https://h/"q)");
    for (const char* header : {R"(Bearer realm="open)", R"(Bearer realm="\)", "", R"(realm="x")"})
        CHECK(parse_challenges(header).empty());
}

TEST_CASE("credentials go to token servers of the same organisation only") {
    CHECK(is_related_host("registry.example.com", "auth.example.com"));
    CHECK(is_related_host("registry-1.docker.io", "auth.docker.io"));
    CHECK(is_related_host("127.0.0.1", "127.0.0.1"));
    for (const auto& [host, realm] : {std::pair{"registry.example.com", "registry.example.com.evil.org"},
                                      {"127.0.0.1", "127.0.0.2"},
                                      {"a.co.uk", "b.co.uk"},
                                      {"registry", "auth"},
                                      {"registry.example.com", "example.org"}})
        CHECK_FALSE(is_related_host(host, realm));
}

TEST_CASE("an upload goes on behind the last byte that the registry has") {
    CHECK(uploaded_bytes("0-99") == 100);
    CHECK(uploaded_bytes("bytes=0-99") == 100);
    CHECK(uploaded_bytes("0-0") == 0);
    for (const char* range : {"", "5-9", "0", "0-", "-9", "0--1", "0-18446744073709551615"})
        CHECK_FALSE(uploaded_bytes(range));
}

TEST_CASE("an address of this machine or its link is no place for strangers to send us") {
    for (const char* host :
         {"localhost", "127.0.0.1", "169.254.169.254", "[fe80::1]", "[::1]", "0.0.0.0", "[::ffff:7f00:1]"})
        CHECK(is_private_address(host));
    for (const char* host : {"example.org", "10.0.0.1", "169.254.example.org", "[2001:db8::1]"})
        CHECK_FALSE(is_private_address(host));
    const Url registry = Url::parse("https://registry.example/v2/");
    CHECK(follow_redirect(registry, "https://cdn.example/b", "blob").host == "cdn.example");
    CHECK_THROWS_AS(follow_redirect(registry, "http://cdn.example/b", "blob"), Error);
    CHECK_THROWS_AS(follow_redirect(registry, "https://169.254.169.254/b", "blob"), Error);
}

TEST_CASE("a server says how long to wait, up to ten seconds") {
    CHECK(pause_before(2, "") == 200);
    CHECK(pause_before(3, "") == 800);
    CHECK(pause_before(2, "3") == 3000);
    CHECK(pause_before(2, "86400") == 10'000);
    CHECK(pause_before(2, "Sun, 06 Nov 1994 08:49:37 GMT") == 0);
    CHECK(pause_before(2, "soon") == 200);
}

TEST_CASE("a part is known by where it begins") {
    CHECK(content_range_begin("bytes 100-199/200") == 100);
    CHECK(content_range_begin("bytes 0-9/*") == 0);
    for (const char* header : {"", "bytes */200", "bytes -5-9/10", "octets 1-2/3", "bytes 1"})
        CHECK_FALSE(content_range_begin(header).value_or(1) != 1);
}

TEST_CASE("a request that does not follow the format reaches no network") {
    MemoryWriter out;
    for (const char* request :
         {"", "[]", "{}", R"({"kind":"push"})",
          R"({"kind":"push-blob","domain":"127.0.0.1:1","repository":"a","digest":"sha256:00","size":1})",
          R"({"kind":"http","url":"http://127.0.0.1:1/"})",
          R"({"kind":"http","url":"http://127.0.0.1:1/","maxBytes":-1})",
          R"({"kind":"manifest","domain":"127.0.0.1:1","repository":"a/../b","reference":"1","maxBytes":1})",
          R"({"kind":"manifest","domain":"127.0.0.1:1","repository":"a","reference":"1/../2","maxBytes":1})",
          R"({"kind":"manifest","domain":"127.0.0.1:1/x","repository":"a","reference":"1","maxBytes":1})",
          R"({"kind":"blob","domain":"127.0.0.1:1","repository":"a","digest":"sha256:00","size":1})"})
        try {
            carry_out(request, out);
            FAIL_CHECK(request);
        } catch (const Error& error) {
            CHECK_MESSAGE(error.kind() != ErrorKind::unavailable, error.message());
        }
    CHECK(out.bytes().empty());
}

TEST_CASE("a registry that nobody runs is unavailable, and the message names it") {
    MemoryWriter out;
    try {
        carry_out(R"({"kind":"manifest","domain":"127.0.0.1:1","repository":"a/b","reference":"v1","maxBytes":9})",
                  out);
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::unavailable);
        CHECK(error.message().starts_with("registry 127.0.0.1:1: manifest a/b:v1: "));
    }
}
