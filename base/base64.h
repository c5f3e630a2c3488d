// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bytes as text, for headers and JSON.

#include <optional>
#include <string>
#include <string_view>

namespace imgbuild {

/// RFC 4648 with padding, in one line.
std::string encode_base64(std::string_view bytes);
/// What encode_base64() made `text` of, with or without the padding at its end; empty for anything else.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace imgbuild
