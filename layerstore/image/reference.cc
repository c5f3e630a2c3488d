// SPDX-License-Identifier: Apache-2.0
#include "layerstore/image/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/ascii.h"
#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore {
namespace {

constexpr std::string_view default_domain = "docker.io";
constexpr std::string_view official_prefix = "library/";
constexpr std::size_t max_name_bytes = 255;
constexpr std::size_t max_tag_bytes = 128;

bool is_lower_alnum(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'z'); }
bool is_alnum(char c) noexcept { return is_digit(c) || is_letter(c); }

[[noreturn]] void refuse_reference(std::string_view text, std::string_view reason) {
    throw Error(ErrorKind::usage, fmt::format("image name: \"{}\": {}", printable(text.substr(0, 512)), reason));
}

// Runs of lower-case letters and digits, joined by one ".", one or two "_", or any number of "-".
bool is_path_component_of_name(std::string_view part) noexcept {
    std::size_t i = 0;
    while (true) {
        const std::size_t begin = i;
        while (i < part.size() && is_lower_alnum(part[i])) ++i;
        if (i == begin) return false;
        if (i == part.size()) return true;
        const char separator = part[i];
        std::size_t end = i;
        while (end < part.size() && part[end] == separator) ++end;
        const std::size_t length = end - i;
        const std::size_t allowed = separator == '.' ? 1 : separator == '_' ? 2 : separator == '-' ? length : 0;
        if (length > allowed) return false;
        i = end;
    }
}

bool is_host_label(std::string_view label) noexcept {
    return !label.empty() && is_alnum(label.front()) && is_alnum(label.back()) &&
           std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_host(std::string_view host) noexcept {
    if (host.starts_with("[") && host.ends_with("]")) {
        std::string_view address = host.substr(1, host.size() - 2);
        return !address.empty() && std::all_of(address.begin(), address.end(), [](char c) {
            return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':';
        });
    }
    auto labels = split(host, '.');
    return std::all_of(labels.begin(), labels.end(), is_host_label);
}

bool is_domain(std::string_view domain) noexcept {
    const std::size_t colon = domain.rfind(':');
    if (colon == std::string_view::npos || domain.ends_with("]")) return is_host(domain);
    const std::optional<std::uint64_t> port = parse_unsigned(domain.substr(colon + 1));
    return port && *port <= 65535 && is_host(domain.substr(0, colon));
}

bool is_tag(std::string_view tag) noexcept {
    if (tag.empty() || tag.size() > max_tag_bytes || tag.front() == '.' || tag.front() == '-') return false;
    return std::all_of(tag.begin(), tag.end(), [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

// The first component names a registry when it cannot be part of a repository at docker.io.
bool looks_like_domain(std::string_view part) noexcept {
    return part.find_first_of(".:") != std::string_view::npos || part == "localhost" ||
           std::any_of(part.begin(), part.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

void split_domain(std::string_view name, Reference& reference) {
    const std::size_t slash = name.find('/');
    if (slash != std::string_view::npos && looks_like_domain(name.substr(0, slash))) {
        reference.domain = name.substr(0, slash);
        reference.repository = name.substr(slash + 1);
    } else {
        reference.domain = default_domain;
        reference.repository = name;
    }
    if (reference.domain == "index.docker.io") reference.domain = default_domain;
    if (reference.domain == default_domain && reference.repository.find('/') == std::string::npos)
        reference.repository.insert(0, official_prefix);
}

void check_repository(const Reference& reference, std::string_view text) {
    if (!is_domain(reference.domain))
        refuse_reference(text,
                         fmt::format("\"{}\" is no registry: write HOST or HOST:PORT", printable(reference.domain)));
    for (std::string_view part : split(reference.repository, '/')) {
        if (is_path_component_of_name(part)) continue;
        if (part.empty()) refuse_reference(text, "the repository has an empty part");
        const std::string which = part == text ? "" : fmt::format("\"{}\": ", printable(part));
        if (is_path_component_of_name(to_lower(part)))
            refuse_reference(text, which + "a repository is written in lower case");
        refuse_reference(
            text, which +
                      "a repository is made of lower-case letters and digits, with \".\", \"_\", \"__\" or \"-\" "
                      "between them");
    }
    if (reference.name().size() > max_name_bytes)
        refuse_reference(text, fmt::format("the name is longer than {} bytes", max_name_bytes));
}

}  // namespace

Reference Reference::parse(std::string_view text) {
    if (text.empty()) refuse_reference(text, "empty");
    Reference reference;
    std::string_view name = text;
    if (const std::size_t at = name.find('@'); at != std::string_view::npos) {
        reference.digest = Digest::parse(name.substr(at + 1));
        if (!reference.digest)
            refuse_reference(text, "after \"@\" stands a digest: \"sha256:\" and 64 hexadecimal digits");
        name = name.substr(0, at);
    }
    const std::size_t colon = name.rfind(':');
    const std::size_t slash = name.rfind('/');
    if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
        reference.tag = name.substr(colon + 1);
        if (!is_tag(reference.tag))
            refuse_reference(
                text, fmt::format("\"{}\" is no tag: up to {} letters, digits, \"_\", \".\" and \"-\", the first "
                                  "one neither \".\" nor \"-\"",
                                  printable(reference.tag), max_tag_bytes));
        name = name.substr(0, colon);
    }
    if (Digest::from_hex(name))
        refuse_reference(text, "64 hexadecimal digits look like a digest: write \"@sha256:\" before them");
    split_domain(name, reference);
    check_repository(reference, text);
    if (reference.tag.empty() && !reference.digest) reference.tag = "latest";
    return reference;
}

std::string Reference::full() const {
    std::string text = name();
    if (!tag.empty()) text += ":" + tag;
    if (digest) text += "@" + digest->text();
    return text;
}

std::string Reference::familiar() const {
    std::string text = full();
    if (domain != default_domain) return text;
    text.erase(0, default_domain.size() + 1);
    // "library/a/b" is no official image, and without its first part it would name another repository.
    const bool is_official =
        text.starts_with(official_prefix) && repository.find('/', official_prefix.size()) == std::string::npos;
    // Nor may what is left be read as a registry or as a digest.
    if (!is_official && looks_like_domain(repository.substr(0, repository.find('/')))) return full();
    if (is_official && !Digest::from_hex(repository.substr(official_prefix.size())))
        text.erase(0, official_prefix.size());
    return text;
}

}  // namespace imgbuild::layerstore
