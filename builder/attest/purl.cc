// SPDX-License-Identifier: Apache-2.0
#include "builder/attest/purl.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "base/text.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {
namespace {

// Of a part of the URL, what could end it is escaped (purl-spec, "character encoding").
std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (is_letter(c) || is_digit(c) || std::string_view("-._~:").find(c) != std::string_view::npos)
            result += c;
        else
            result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return result;
}

std::string platform_qualifier(const layerstore::Platform& platform) { return "platform=" + escaped(platform.text()); }

}  // namespace

std::string image_purl(std::string_view reference, const layerstore::Platform& platform) {
    layerstore::Reference name = layerstore::Reference::parse(reference);
    const std::string tag = std::exchange(name.tag, {});
    const auto digest = std::exchange(name.digest, std::nullopt);
    std::string purl = "pkg:docker";
    const std::string familiar = name.familiar();
    for (const std::string_view part : split(familiar, '/')) purl += "/" + escaped(part);
    if (!tag.empty()) purl += "@" + escaped(tag);
    purl += "?";
    if (digest) purl += "digest=" + digest->text() + "&";
    return purl + platform_qualifier(platform);
}

std::string layout_purl(std::string_view name, const layerstore::Platform& platform) {
    return fmt::format("pkg:oci/{}?{}", escaped(name), platform_qualifier(platform));
}

std::string public_url(std::string_view url) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string_view::npos) return std::string(url);
    const std::size_t host = scheme + 3;
    const std::size_t end = std::min(url.find_first_of("/?#", host), url.size());
    const std::size_t at = url.substr(0, end).rfind('@');
    if (at == std::string_view::npos || at < host) return std::string(url);
    return std::string(url.substr(0, host)) + std::string(url.substr(at + 1));
}

}  // namespace imgbuild::builder
