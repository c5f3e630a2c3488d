// SPDX-License-Identifier: Apache-2.0
#include "fetch/registries/daemon_json.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace imgbuild::fetch {
namespace {

struct Address {
    int family = AF_UNSPEC;
    std::array<unsigned char, 16> bytes{};
};

std::optional<Address> parse_address(const std::string& text) {
    for (const int family : {AF_INET, AF_INET6}) {
        Address address{.family = family};
        if (::inet_pton(family, text.c_str(), address.bytes.data()) == 1) return address;
    }
    return std::nullopt;
}

struct Range {
    Address begin;
    std::size_t bits = 0;
};

std::optional<Range> parse_range(const std::string& text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos) return std::nullopt;
    const auto begin = parse_address(text.substr(0, slash));
    const auto bits = parse_unsigned(std::string_view(text).substr(slash + 1));
    if (!begin || !bits || *bits > (begin->family == AF_INET ? 32U : 128U)) return std::nullopt;
    return Range{*begin, static_cast<std::size_t>(*bits)};
}

bool holds(const Range& range, const Address& address) {
    if (range.begin.family != address.family) return false;
    for (std::size_t bit = 0; bit < range.bits; ++bit) {
        const unsigned mask = 0x80U >> (bit % 8);
        if (((range.begin.bytes[bit / 8] ^ address.bytes[bit / 8]) & mask) != 0) return false;
    }
    return true;
}

std::string host_of(const std::string& domain) {
    std::string host = domain;
    if (const std::size_t colon = host.rfind(':'); colon != std::string::npos && !host.ends_with(']'))
        host.resize(colon);
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    return host;
}

std::vector<std::string> addresses_of(const std::string& host) {
    if (parse_address(host)) return {host};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
    std::vector<std::string> addresses;
    for (const addrinfo* one = found; one; one = one->ai_next) {
        std::array<char, NI_MAXHOST> text{};
        if (::getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) == 0)
            addresses.emplace_back(text.data());
    }
    return addresses;
}

std::vector<std::string> list_of(const Json& document, const char* member, const std::string& file) {
    std::vector<std::string> list;
    const Json* found = optional_array(document, member, file);
    for (const Json& one : found ? *found : Json::array()) {
        if (!one.is_string())
            throw Error(ErrorKind::invalid_input, fmt::format("{}: {}: expected strings", printable(file), member));
        list.push_back(one.get<std::string>());
    }
    return list;
}

}  // namespace

bool is_in_range(const std::string& address, const std::string& range) {
    const auto parsed = parse_range(range);
    const auto found = parse_address(address);
    return parsed && found && holds(*parsed, *found);
}

DaemonJson DaemonJson::read(const Surroundings& surroundings, ConfigurationSteps& steps) {
    DaemonJson all;
    std::vector<std::string> files;
    if (auto file = surroundings.in_config_home("docker/daemon.json")) files.push_back(*std::move(file));
    files.push_back(surroundings.system + "/docker/daemon.json");
    for (const std::string& file : files) try {
            const auto text = read_configuration(file);
            steps.push_back({file, text ? "nothing for this name" : "not there"});
            if (text) all.add(*text, file);
        } catch (const Error& error) {
            // It is written for a daemon of root's, and may be for nobody else's eyes.
            if (error.kind() != ErrorKind::denied) throw;
            steps.push_back({file, "may not be read"});
        }
    return all;
}

void DaemonJson::add(std::string_view text, const std::string& file) {
    const Json document = parse_json(trim(text).empty() ? "{}" : text, file);
    if (!document.is_object())
        throw Error(ErrorKind::invalid_input, fmt::format("{}: no JSON object", printable(file)));
    const std::vector<std::string> mirrors = list_of(document, "registry-mirrors", file);
    if (mirrors_.empty())
        for (std::string mirror : mirrors) {
            while (mirror.ends_with('/')) mirror.pop_back();
            const std::string place = fmt::format("{}: registry-mirrors", printable(file));
            mirrors_.push_back(with_context(place, [&] { return Url::parse(mirror + "/v2"); }));
            mirrors_file_ = file;
        }
    for (std::string one : list_of(document, "insecure-registries", file)) {
        for (const std::string_view scheme : {"http://", "https://"})
            if (one.starts_with(scheme)) one.erase(0, scheme.size());
        if (parse_range(one)) {
            ranges_.push_back(one);
        } else if (one.empty() || one.find('/') != std::string::npos) {
            throw Error(ErrorKind::invalid_input,
                        fmt::format("{}: insecure-registries: \"{}\" is neither a registry nor a range of addresses",
                                    printable(file), printable(one)));
        } else {
            insecure_.push_back(to_lower(one));
        }
    }
}

bool DaemonJson::is_insecure(const std::string& domain) const {
    if (std::ranges::find(insecure_, to_lower(domain)) != insecure_.end()) return true;
    if (ranges_.empty()) return false;
    for (const std::string& address : addresses_of(host_of(domain)))
        for (const std::string& range : ranges_)
            if (is_in_range(address, range)) return true;
    return false;
}

}  // namespace imgbuild::fetch
