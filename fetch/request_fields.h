// SPDX-License-Identifier: Apache-2.0
#pragma once

// Members of a request that several kinds of it have, checked. Error{usage} for what does not follow the format.

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace imgbuild::fetch {

std::uint64_t byte_count(const nlohmann::ordered_json& request, std::string_view member);

/// What becomes a line of a request or of git's configuration, and must not become two; empty where it is not there.
std::string one_line(const nlohmann::ordered_json& request, std::string_view member);

/// A BodySource: the file on descriptor 4, from any offset on.
std::size_t read_data(std::uint64_t offset, std::span<std::byte> buffer);

}  // namespace imgbuild::fetch
