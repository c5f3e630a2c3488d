// SPDX-License-Identifier: Apache-2.0
#include "fetch/registries/hosts_toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "fetch/registries/certificate_folders.h"
#include "fetch/registries/toml_file.h"

namespace imgbuild::fetch {
namespace {

[[noreturn]] void refuse_host(const std::string& place, std::string_view reason) {
    throw Error(ErrorKind::invalid_input, fmt::format("{}: {}", printable(place), reason));
}

Url read_base(const std::string& text, bool overrides_path, const std::string& place) {
    const bool has_scheme = text.starts_with("http://") || text.starts_with("https://");
    if (!has_scheme && text.find("://") != std::string::npos)
        refuse_host(place, "expected an address of http or https");
    std::string address = has_scheme ? text : "https://" + text;
    while (address.ends_with('/')) address.pop_back();
    const Url url = with_context(printable(place), [&] { return Url::parse(address); });
    if (url.text.find('?') != std::string::npos) refuse_host(place, "expected an address without a query");
    if (!overrides_path && !url.path.ends_with("/v2")) address += "/v2";
    // The name of the registry is not the name of its host.
    constexpr std::string_view hub = "https://docker.io/";
    if (address.starts_with(hub)) address = "https://registry-1.docker.io/" + address.substr(hub.size());
    return Url::parse(address);
}

std::string resolved_path(const std::string& path, const std::string& file) {
    return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
}

// One text, or a list of them.
std::vector<std::string> texts_of(const Json& value, const std::string& place) {
    std::vector<std::string> texts;
    const auto add = [&](const Json& one) {
        if (!one.is_string()) refuse_host(place, "expected a string or a list of strings");
        texts.push_back(one.get<std::string>());
    };
    if (!value.is_array()) add(value);
    for (const Json& one : value.is_array() ? value : Json::array()) add(one);
    return texts;
}

// "both.pem", ["both.pem"] or [["a.cert", "a.key"]]; of several, the first.
void read_client(const Json& value, TlsSettings& tls, const std::string& file, const std::string& place) {
    const Json& first = value.is_array() && !value.empty() ? value.front() : value;
    const std::vector<std::string> paths = texts_of(first, place);
    if (paths.empty() || paths.size() > 2) refuse_host(place, "expected a certificate, or a certificate and its key");
    tls.certificate = resolved_path(paths.front(), file);
    if (paths.size() == 2) tls.key = resolved_path(paths.back(), file);
}

std::vector<std::string> read_headers(const Json& table, const std::string& place) {
    std::vector<std::string> lines;
    for (const auto& [name, value] : table.items())
        for (const std::string& text : texts_of(value, fmt::format("{}.{}", place, name))) {
            const std::string line = fmt::format("{}: {}", name, text);
            const bool is_clean =
                std::ranges::all_of(line, [](char c) { return c == '\t' || (c >= ' ' && c != 0x7f); });
            if (!is_clean || name.empty() || name.find_first_of(": ") != std::string::npos)
                refuse_host(place, "holds what is no header");
            lines.push_back(line);
        }
    return lines;
}

void read_capabilities(const Json& list, HostEntry& host, const std::string& place) {
    if (list.empty()) return;
    host.can_pull = host.can_resolve = false;
    for (const std::string& one : texts_of(list, place)) {
        const std::string name = to_lower(one);
        if (name != "pull" && name != "resolve" && name != "push")
            refuse_host(place, fmt::format("\"{}\" is none of \"pull\", \"resolve\" and \"push\"", printable(one)));
        (name == "pull" ? host.can_pull : name == "resolve" ? host.can_resolve : host.can_push) = true;
    }
}

HostEntry read_host(const Json& table, const std::string& address, const std::string& file, const std::string& place) {
    if (!table.is_object()) refuse_host(place, "expected a table");
    HostEntry host;
    const bool overrides_path = optional_boolean(table, "override_path", place).value_or(false);
    if (!address.empty()) host.base = read_base(address, overrides_path, place);
    host.tls.is_unverified = optional_boolean(table, "skip_verify", place).value_or(false);
    if (table.contains("ca"))
        for (const std::string& path : texts_of(table["ca"], place + ".ca"))
            host.tls.authorities.push_back(resolved_path(path, file));
    if (table.contains("client")) read_client(table["client"], host.tls, file, place + ".client");
    if (const Json* headers = optional_object(table, "header", place))
        host.headers = read_headers(*headers, place + ".header");
    if (const Json* list = optional_array(table, "capabilities", place))
        read_capabilities(*list, host, place + ".capabilities");
    return host;
}

}  // namespace

HostsToml parse_hosts_toml(std::string_view text, const std::string& file) {
    const Json document = parse_toml(text, file);
    HostsToml result{.file = file, .hosts = {}};
    if (const Json* hosts = optional_object(document, "host", file))
        for (const auto& [address, table] : hosts->items())
            result.hosts.push_back(read_host(table, address, file, fmt::format("{}: host.\"{}\"", file, address)));
    HostEntry server = read_host(document, optional_string(document, "server", file).value_or(""), file, file);
    server.is_server = true;
    server.can_push = true;
    result.hosts.push_back(std::move(server));
    return result;
}

std::optional<HostsToml> read_hosts_toml(const Surroundings& surroundings, const std::string& domain,
                                         ConfigurationSteps& steps) {
    for (const std::string& root : certificate_roots(surroundings)) {
        if (!root.ends_with("/containerd/certs.d")) continue;
        const std::string folder = containerd_folder(root, domain, true);
        const std::string file = (folder.empty() ? fmt::format("{}/{}", root, domain) : folder) + "/hosts.toml";
        const auto text = read_configuration(file);
        steps.push_back({file, text ? "decides" : "not there"});
        if (text) return parse_hosts_toml(*text, file);
    }
    return std::nullopt;
}

}  // namespace imgbuild::fetch
