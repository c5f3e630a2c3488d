// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bytes as text, for headers and JSON.

#include <optional>
#include <string>
#include <string_view>

namespace imgbuild {

/// RFC 4648 with padding, in one line.
std::string encode_base64(std::string_view bytes);
/// Empty where `text` is none, with or without the padding at its end.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace imgbuild
