// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON as image-spec wants it (I-JSON, RFC 7493), on top of nlohmann-json: strict UTF-8, duplicate keys
// refused, a depth and a size cap, no bytes behind the document. Unknown members survive a round trip and
// keep their order, because the document stays a Json value.
//
// Heavy to include: headers name json_fwd only, sources that touch documents include this one.

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace imgbuild {

using Json = nlohmann::ordered_json;

inline constexpr std::size_t json_max_bytes = 8 * 1024 * 1024;
inline constexpr std::size_t json_max_depth = 64;

/// Parses a whole document; the cost grows with n log n. Error{invalid_input} says `what`, the line and column, and
/// the reason. Integers fit std::int64_t; a larger one is refused, because a round trip would change it.
Json parse_json(std::string_view text, std::string_view what);

/// Compact, members in insertion order, UTF-8 as it is; '<', '>' and '&' as in Go's encoder (\u003c …), which
/// is what digests of configs written by the field's tools are made of. A string that is not UTF-8 is
/// Error{invalid_input}.
std::string write_json(const Json& document);
/// The same with two spaces of indentation.
std::string write_json_indented(const Json& document);

/// Typed access with errors that name the place: `what` "manifest" gives "manifest: size: expected an integer",
/// "manifest: layers[2]" gives "manifest: layers[2].size: …". An absent member or null is empty; another type is
/// Error{invalid_input}, and so is an `object` that is none.
std::optional<std::string> optional_string(const Json& object, std::string_view member, std::string_view what);
std::optional<std::int64_t> optional_integer(const Json& object, std::string_view member, std::string_view what);
std::optional<bool> optional_boolean(const Json& object, std::string_view member, std::string_view what);
/// As above, but absence is an error too.
std::string required_string(const Json& object, std::string_view member, std::string_view what);
std::int64_t required_integer(const Json& object, std::string_view member, std::string_view what);
/// The member, which must be an object or array; null pointer when absent or null.
const Json* optional_object(const Json& object, std::string_view member, std::string_view what);
const Json* optional_array(const Json& object, std::string_view member, std::string_view what);

}  // namespace imgbuild
