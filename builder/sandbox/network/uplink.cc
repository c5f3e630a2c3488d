// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/network/uplink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/stream.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr const char* tunnel_device = "/dev/net/tun";

// The content of a file below /proc, whose size is not known before; empty where there is none.
std::string read_all(const char* path) {
    const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    std::string text;
    std::vector<char> block(stream_block);
    while (file) {
        const ssize_t count = ::read(file.get(), block.data(), block.size());
        if (count <= 0) break;
        text.append(block.data(), static_cast<std::size_t>(count));
    }
    return text;
}

bool can_make_interfaces(UplinkSearch& search) {
    if (const Fd device(::open(tunnel_device, O_RDWR | O_CLOEXEC)); device) return true;
    const int problem = errno;
    search.missing = fmt::format("{} cannot be opened ({})", tunnel_device, strerrordesc_np(problem));
    search.remedy = problem == EACCES ? fmt::format("chmod 666 {}", tunnel_device)
                                      : fmt::format("start the container with --device {}", tunnel_device);
    return false;
}

}  // namespace

std::string_view name_of(UplinkKind kind) noexcept { return kind == UplinkKind::slirp ? "slirp4netns" : "passt"; }

std::string fault_of(const UplinkProgram& program) {
    ProcessOptions options;
    options.arguments = {program.path, "--version"};
    try {
        const std::string text = run_and_capture(options).standard_output;
        if (program.kind == UplinkKind::slirp) return slirp_serves_sockets(text) ? "" : "slirp4netns is older than 1.2";
        return passt_is_recent(text) ? "" : "passt is older than 2024";
    } catch (const Error& error) {
        return error.full_message();
    }
}

UplinkSearch find_uplink() {
    UplinkSearch search;
    if (!can_make_interfaces(search)) return search;
    std::vector<UplinkProgram>& programs = search.uplink.programs;
    for (const UplinkKind kind : {UplinkKind::slirp, UplinkKind::passt})
        if (const auto path = find_program(std::string(name_of(kind)))) programs.push_back({kind, *path});
    if (programs.empty()) search.missing = "neither slirp4netns nor passt is installed";
    // Of two, one that is too old costs no time: the other takes its place.
    if (programs.size() == 1) search.missing = fault_of(programs.front());
    if (!search.missing.empty()) {
        programs.clear();
        search.remedy = "apt-get install slirp4netns";
        return search;
    }
    search.uplink.has_ipv6 = has_default_ipv6_route(read_all("/proc/net/ipv6_route"));
    return search;
}

std::vector<std::string> uplink_arguments(const UplinkProgram& program, bool has_ipv6, int descriptor,
                                          const std::string& socket) {
    using namespace uplink_address;
    if (program.kind == UplinkKind::slirp) {
        std::vector<std::string> arguments{
            program.path,       "--disable-host-loopback",           "--enable-sandbox",
            "--enable-seccomp", fmt::format("--mtu={}", uplink_mtu), fmt::format("--exit-fd={}", descriptor)};
        if (has_ipv6) arguments.emplace_back("--enable-ipv6");
        arguments.insert(arguments.end(), {"--target-type=bess", socket});
        return arguments;
    }
    std::vector<std::string> arguments{
        program.path,  "--foreground",         "--quiet",   "--fd",        std::to_string(descriptor),
        "--no-map-gw", "--tcp-ports",          "none",      "--udp-ports", "none",
        "--no-dhcp",   "--no-dhcpv6",          "--no-ra",   "--address",   own,
        "--netmask",   std::to_string(prefix), "--gateway", gateway,       "--dns-forward",
        resolver};
    if (has_ipv6)
        arguments.insert(arguments.end(), {"--address", own6, "--gateway", gateway6, "--dns-forward", resolver6});
    else
        arguments.emplace_back("--ipv4-only");
    return arguments;
}

// Each line: destination, prefix, source, prefix, next hop, metric, references, uses, flags, interface. What refuses
// packets to everywhere stands there as well, at the loopback interface.
bool has_default_ipv6_route(std::string_view routes) {
    for (std::string_view line : split(routes, '\n')) {
        if (!line.starts_with("00000000000000000000000000000000 00 ")) continue;
        if (!trim(line).ends_with(" lo")) return true;
    }
    return false;
}

bool passt_is_recent(std::string_view text) {
    constexpr std::string_view word = "passt ";
    constexpr std::uint64_t first_good = 2024;
    constexpr std::size_t year_digits = 4;
    if (!text.starts_with(word)) return false;
    const std::string_view line = text.substr(word.size(), text.find('\n') - word.size());
    for (std::size_t at = line.find("20"); at != std::string_view::npos; at = line.find("20", at + 1)) {
        const auto year = parse_unsigned(line.substr(at, year_digits));
        if (year && *year > 2000) return *year >= first_good;
    }
    return false;
}

bool slirp_serves_sockets(std::string_view text) {
    constexpr std::string_view word = "slirp4netns version ";
    if (!text.starts_with(word)) return false;
    const auto numbers = split(text.substr(word.size(), text.find('\n') - word.size()), '.');
    if (numbers.size() < 2) return false;
    const std::uint64_t first = parse_unsigned(numbers[0]).value_or(0);
    const std::uint64_t second = parse_unsigned(numbers[1]).value_or(0);
    return first > 1 || (first == 1 && second >= 2);
}

}  // namespace imgbuild::builder
