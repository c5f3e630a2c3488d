// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/network_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace imgbuild::builder {

namespace {

// The same kind of address as the host's first, or its question would not be passed on.
std::string own_resolver(std::string_view host_file) {
    for (std::string_view line : split(host_file, '\n')) {
        const std::string_view content = trim(line);
        if (!content.starts_with("nameserver")) continue;
        const bool is_ipv6 = content.find(':') != std::string_view::npos;
        return fmt::format("nameserver {}\n", is_ipv6 ? uplink_address::resolver6 : uplink_address::resolver);
    }
    return fmt::format("nameserver {}\n", uplink_address::resolver);
}

}  // namespace

std::string resolv_conf_for(std::string_view host_file, NetworkMode network) {
    constexpr std::array kept{"nameserver", "search", "domain", "options"};
    if (network == NetworkMode::none) return {};
    const bool is_own = network == NetworkMode::own;
    std::string text = is_own ? own_resolver(host_file) : std::string();
    for (std::string_view line : split(host_file, '\n')) {
        std::string_view content = trim(line);
        std::string_view word = content.substr(0, content.find_first_of(" \t"));
        if (is_own && word == "nameserver") continue;
        if (std::ranges::find(kept, word) != kept.end()) text += fmt::format("{}\n", content);
    }
    return text;
}

std::string hosts_for(const RunSpec& spec) {
    std::string text = fmt::format(
        "127.0.0.1\tlocalhost {}\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n",
        spec.hostname);
    for (const auto& [name, address] : spec.added_hosts) text += fmt::format("{}\t{}\n", address, name);
    return text;
}

}  // namespace imgbuild::builder
