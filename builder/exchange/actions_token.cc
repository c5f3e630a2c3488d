// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/actions_token.h"

#include <algorithm>

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr std::string_view token_name = "token";

// Bits of a scope's Permission.
constexpr std::int64_t may_read_bit = 1;
constexpr std::int64_t may_write_bit = 2;

std::string payload_of(std::string_view token) {
    const std::vector<std::string_view> parts = split(token, '.');
    if (parts.size() != 3) return {};
    std::string text(parts[1]);
    std::ranges::replace(text, '-', '+');
    std::ranges::replace(text, '_', '/');
    return decode_base64(text).value_or("");
}

std::vector<ActionsScope> read_scopes(const std::string& payload) {
    const Json claims = parse_json(payload, token_name);
    if (!claims.is_object()) return {};
    const Json list = parse_json(optional_string(claims, "ac", token_name).value_or("[]"), token_name);
    std::vector<ActionsScope> scopes;
    if (!list.is_array()) return scopes;
    for (const Json& scope : list) {
        if (!scope.is_object()) continue;
        const std::int64_t permission = optional_integer(scope, "Permission", token_name).value_or(0);
        if ((permission & (may_read_bit | may_write_bit)) == 0) continue;
        scopes.push_back({required_string(scope, "Scope", token_name), (permission & may_write_bit) != 0});
    }
    return scopes;
}

}  // namespace

std::vector<ActionsScope> scopes_of_actions_token(std::string_view token) {
    try {
        std::vector<ActionsScope> scopes = read_scopes(payload_of(token));
        std::ranges::stable_partition(scopes, &ActionsScope::may_write);
        return scopes;
    } catch (const Error&) {
        return {};  // a service that hands out tokens of its own kind
    }
}

}  // namespace imgbuild::builder
