// SPDX-License-Identifier: Apache-2.0
#include "builder/resolve/detail/layout_place.h"

#include <filesystem>
#include <system_error>

#include "base/digest.h"

namespace imgbuild::builder::detail {
namespace {

bool is_directory(const std::string& path) {
    std::error_code problem;
    return std::filesystem::is_directory(path, problem);
}

// A tag holds no "/": "a:1/b" is a path.
std::size_t tag_separator(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    const bool is_tag = colon != std::string::npos && colon > 0 && text.find('/', colon) == std::string::npos;
    return is_tag ? colon : std::string::npos;
}

}  // namespace

LayoutPlace read_layout_place(const std::string& text) {
    if (is_directory(text)) return {text, {}};
    LayoutPlace place{text, {}};
    const std::size_t at = text.rfind('@');
    if (at != std::string::npos && Digest::parse(std::string_view(text).substr(at + 1))) {
        place = {text.substr(0, at), text.substr(at)};
        if (is_directory(place.path)) return place;
    }
    if (const std::size_t colon = tag_separator(place.path); colon != std::string::npos) {
        if (place.selector.empty()) place.selector = place.path.substr(colon + 1);
        place.path.resize(colon);
    }
    return place;
}

}  // namespace imgbuild::builder::detail
