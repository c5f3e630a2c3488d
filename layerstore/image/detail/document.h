// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the readers and writers of image documents share: typed members, members that are kept though nobody
// here knows them, and base64. Every refusal is Error{invalid_input} "place: reason".

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/json.h"

namespace imgbuild::layerstore::detail {

[[noreturn]] void refuse(std::string_view what, std::string_view reason);
/// How errors name a member: "index.json: manifests[2]", "index.json: manifests[2].size".
std::string place(std::string_view what, std::string_view member);
void require_object(const Json& value, std::string_view what);
/// schemaVersion must be 2 (image-spec manifest.md).
void require_schema_version(const Json& document, std::string_view what);

/// The member, an object whose values are strings; empty when absent.
std::map<std::string, std::string> string_map(const Json& object, std::string_view member, std::string_view what);
/// The member, an array of strings; empty when absent.
std::optional<std::vector<std::string>> string_list(const Json& object, std::string_view member, std::string_view what);
/// The names of the member's own members, sorted: how configs write sets ("80/tcp": {}).
std::vector<std::string> string_set(const Json& object, std::string_view member, std::string_view what);
/// A digest that was text. One of an algorithm that we cannot compute is Error{unsupported}.
Digest to_digest(std::string_view text, std::string_view what);

/// The members of `object` that are not among `known`, as a JSON object; "" when there are none. More than
/// max_other_members are refused: an object of this library is searched from its front.
inline constexpr std::size_t max_other_members = 1000;
std::string members_but(const Json& object, std::initializer_list<std::string_view> known, std::string_view what);
/// `known` and the members kept by members_but() as one object: those named in `order` first, in that order.
Json join_members(Json known, const std::string& others, std::initializer_list<std::string_view> order);

/// RFC 4648 with padding; empty when `text` is not base64.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace imgbuild::layerstore::detail
