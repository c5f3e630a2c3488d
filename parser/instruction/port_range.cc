// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "parser/instruction/values.h"

#include <fmt/format.h>

#include <algorithm>

namespace imgbuild::parser {
namespace {

struct Range {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
};

/// "80" or "80-90".
std::optional<Range> parse_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    const std::optional<std::uint64_t> first = parse_unsigned(text.substr(0, dash));
    const std::optional<std::uint64_t> last =
        dash == std::string_view::npos ? first : parse_unsigned(text.substr(dash + 1));
    if (!first || !last || *first > *last || *last > 65535) return std::nullopt;
    return Range{static_cast<std::uint32_t>(*first), static_cast<std::uint32_t>(*last)};
}

/// A rough test that tells addresses from other words; nothing is ever done with one.
bool is_address(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    if (text.find(':') != std::string_view::npos) {
        return text.find_first_not_of("0123456789abcdefABCDEF:.%") == std::string_view::npos;
    }
    const std::vector<std::string_view> parts = split(text, '.');
    return parts.size() == 4 && std::ranges::all_of(parts, [](std::string_view part) {
               const std::optional<std::uint64_t> value = parse_unsigned(part);
               return value && *value <= 255;
           });
}

ValueError invalid(std::string_view text, std::string_view reason) {
    return {fmt::format("invalid port: \"{}\": {}", text, reason), "write PORT, PORT/udp or FIRST-LAST/tcp"};
}

}  // namespace

std::variant<PortRange, ValueError> parse_port_range(std::string_view text) {
    PortRange result;
    const std::size_t slash = text.find('/');
    const std::string_view ports = text.substr(0, slash);
    std::string protocol(slash == std::string_view::npos ? "" : text.substr(slash + 1));
    if (to_lower(protocol) != protocol) result.protocol_in_capitals = protocol;
    protocol = protocol.empty() ? "tcp" : to_lower(protocol);
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") {
        return invalid(text, fmt::format("invalid proto: {}", text.substr(slash + 1)));
    }

    const std::size_t container_colon = ports.rfind(':');
    const std::string_view container =
        container_colon == std::string_view::npos ? ports : ports.substr(container_colon + 1);
    if (container.empty()) return invalid(text, "no port specified");
    const std::optional<Range> range = parse_range(container);
    if (!range) return invalid(text, fmt::format("invalid containerPort: {}", container));

    if (container_colon != std::string_view::npos) {
        result.has_host_part = true;
        const std::string_view before = ports.substr(0, container_colon);
        const std::size_t host_colon = before.rfind(':');
        const std::string_view host = host_colon == std::string_view::npos ? before : before.substr(host_colon + 1);
        const std::optional<Range> host_range = host.empty() ? range : parse_range(host);
        if (!host_range) return invalid(text, fmt::format("invalid hostPort: {}", host));
        if (host_colon != std::string_view::npos && host_colon > 0 && !is_address(before.substr(0, host_colon))) {
            return invalid(text, fmt::format("invalid IP address: {}", before.substr(0, host_colon)));
        }
        const bool one_port = range->first == range->last;
        if (!one_port && host_range->last - host_range->first != range->last - range->first) {
            return invalid(
                text, fmt::format("invalid ranges specified for container and host Ports: {} and {}", container, host));
        }
    }
    for (std::uint32_t port = range->first; port <= range->last; ++port)
        result.ports.push_back(fmt::format("{}/{}", port, protocol));
    return result;
}

}  // namespace imgbuild::parser
