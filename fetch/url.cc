// SPDX-License-Identifier: Apache-2.0
#include "fetch/url.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::fetch {
namespace {

constexpr std::size_t longest_url = 8192;

struct FreeUrl {
    void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, FreeUrl>;

std::string part_of(CURLU* handle, CURLUPart part, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(handle, part, &text, flags) != CURLUE_OK) return {};
    std::unique_ptr<char, void (*)(void*)> owned(text, curl_free);
    return owned.get();
}

// What is known to come before a password is cut off: the text is shown only behind the last "@".
std::string harmless(std::string_view text) {
    std::size_t at = text.rfind('@');
    std::string_view shown = at == std::string_view::npos ? text : text.substr(at + 1);
    return printable(shown.substr(0, std::min<std::size_t>(shown.find_first_of("?#"), 200)));
}

[[noreturn]] void refuse(std::string_view text, std::string_view reason, std::string hint = {}) {
    throw Error(ErrorKind::invalid_input, fmt::format("URL: {}: {}", harmless(text), reason), std::move(hint));
}

Url read_handle(CURLU* handle, std::string_view text) {
    Url url;
    url.scheme = part_of(handle, CURLUPART_SCHEME);
    if (url.scheme != "http" && url.scheme != "https") refuse(text, "only http and https are fetched");
    if (!part_of(handle, CURLUPART_USER).empty() || !part_of(handle, CURLUPART_PASSWORD).empty())
        refuse(text, "holds a name or a password", "it would end up in the image's history");
    curl_url_set(handle, CURLUPART_FRAGMENT, nullptr, 0);
    url.text = part_of(handle, CURLUPART_URL);
    url.host = to_lower(part_of(handle, CURLUPART_HOST));
    url.port = part_of(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    url.path = part_of(handle, CURLUPART_PATH);
    return url;
}

void set_url(CURLU* handle, std::string_view text) {
    if (text.size() > longest_url) refuse(text, fmt::format("longer than {} bytes", longest_url));
    if (text.find('\0') != std::string_view::npos) refuse(text, "holds a NUL");
    CURLUcode problem = curl_url_set(handle, CURLUPART_URL, std::string(text).c_str(), CURLU_URLENCODE);
    if (problem == CURLUE_UNSUPPORTED_SCHEME) refuse(text, "only http and https are fetched");
    if (problem != CURLUE_OK) refuse(text, fmt::format("no URL ({})", curl_url_strerror(problem)));
}

// Four numbers: "127.0.0.1.example.org" is somewhere else.
std::optional<std::array<std::uint64_t, 4>> dotted_numbers(std::string_view host) noexcept {
    std::array<std::uint64_t, 4> numbers{};
    std::string_view rest = host;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const std::size_t dot = std::min(rest.find('.'), rest.size());
        const auto value = parse_unsigned(rest.substr(0, dot));
        const bool is_last = i + 1 == numbers.size();
        if (!value || *value > 255 || is_last != (dot == rest.size())) return std::nullopt;
        numbers[i] = *value;
        if (!is_last) rest.remove_prefix(dot + 1);
    }
    return numbers;
}

bool is_plain(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

}  // namespace

Url Url::parse(std::string_view text) {
    UrlHandle handle(curl_url());
    set_url(handle.get(), text);
    return read_handle(handle.get(), text);
}

Url Url::resolve(std::string_view location) const {
    UrlHandle handle(curl_url());
    set_url(handle.get(), text);
    set_url(handle.get(), location);
    return read_handle(handle.get(), location);
}

std::string Url::shown() const { return printable(fmt::format("{}://{}{}", scheme, domain(), path)); }

std::string Url::domain() const {
    const bool is_usual = port == (is_secure() ? "443" : "80");
    return is_usual ? host : fmt::format("{}:{}", host, port);
}

bool Url::same_origin(const Url& other) const noexcept {
    return scheme == other.scheme && host == other.host && port == other.port;
}

std::string Url::file_name() const { return file_name_of_url_path(path); }

bool is_loopback(std::string_view host) noexcept {
    if (host == "localhost" || host == "[::1]") return true;
    const auto numbers = dotted_numbers(host);
    return numbers && numbers->front() == 127;
}

bool is_private_address(std::string_view host) noexcept {
    if (is_loopback(host)) return true;
    const auto numbers = dotted_numbers(host);
    if (numbers) return ((*numbers)[0] == 169 && (*numbers)[1] == 254) || (*numbers)[0] == 0;
    if (!host.starts_with('[')) return false;
    return host.starts_with("[fe8") || host.starts_with("[fe9") || host.starts_with("[fea") ||
           host.starts_with("[feb") || host.starts_with("[::ffff:") || host == "[::]";
}

std::string registry_address(std::string_view domain) {
    if (domain == "docker.io") return "https://registry-1.docker.io";
    std::string_view host = domain;
    if (std::size_t colon = domain.rfind(':'); colon != std::string_view::npos && !domain.ends_with(']'))
        host = domain.substr(0, colon);
    return fmt::format("{}://{}", is_loopback(host) ? "http" : "https", domain);
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (char c : text) out += is_plain(c) ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    return out;
}

}  // namespace imgbuild::fetch
