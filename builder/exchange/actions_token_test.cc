// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/actions_token.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/base64.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

std::string token_of(const std::string& claims) {
    std::string payload = encode_base64(claims);
    std::ranges::replace(payload, '+', '-');
    std::ranges::replace(payload, '/', '_');
    payload.erase(payload.find_last_not_of('=') + 1);
    return "e30." + payload + ".c2lnbmF0dXJl";
}

}  // namespace

TEST_CASE("a job's token lists the refs whose caches it may read, its own first") {
    const auto scopes = scopes_of_actions_token(token_of(
        R"({"exp":1,"ac":"[{\"Scope\":\"refs/heads/main\",\"Permission\":1},)"
        R"({\"Scope\":\"refs/heads/ünder\",\"Permission\":3},{\"Scope\":\"refs/heads/no\",\"Permission\":0}]"})"));
    REQUIRE(scopes.size() == 2);
    CHECK(scopes[0].ref == "refs/heads/ünder");
    CHECK(scopes[0].may_write);
    CHECK(scopes[1].ref == "refs/heads/main");
    CHECK(!scopes[1].may_write);
}

TEST_CASE("tokens of another kind say nothing") {
    for (const std::string& token :
         {std::string(), std::string("ghs_abc"), std::string("a.b.c"), token_of("[]"), token_of("{}"),
          token_of(R"({"ac":"no list"})"), token_of(R"({"ac":3})"), token_of(R"({"ac":"[{\"Permission\":3}]"})")})
        CHECK(scopes_of_actions_token(token).empty());
}
