// SPDX-License-Identifier: Apache-2.0
#pragma once

// The way out of a network namespace of a command's own: which programs of this machine can carry its frames, what they
// are told, and which addresses there are inside (docs/decisions/0020-frames-start-the-uplink.md).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::builder {

enum class UplinkKind : std::uint8_t { passt, slirp };

/// A program that gives the frames of a network interface to the sockets of whoever runs it.
struct UplinkProgram {
    UplinkKind kind = UplinkKind::passt;
    std::string path;
    friend bool operator==(const UplinkProgram&, const UplinkProgram&) = default;
};

/// "passt" or "slirp4netns".
std::string_view name_of(UplinkKind kind) noexcept;
/// Why the program cannot be used, found by asking for its version; empty where it can.
std::string fault_of(const UplinkProgram& program);

/// How a command reaches other machines from a network namespace of its own.
struct Uplink {
    std::vector<UplinkProgram> programs;  ///< the next is taken where one fails; empty: there is no way out
    bool has_ipv6 = false;                ///< this machine has a default route for it
    friend bool operator==(const Uplink&, const Uplink&) = default;
};

/// What a machine offers. With programs, `missing` and `remedy` are empty.
struct UplinkSearch {
    Uplink uplink;
    std::string missing;  ///< what is in the way, in one sentence
    std::string remedy;   ///< the command that opens it; may be empty
};
/// Looks for the programs on PATH and tries to open the device that interfaces are made by.
UplinkSearch find_uplink();

/// The addresses inside, the same on every machine. The two programs are told these, or have them built in.
namespace uplink_address {
inline constexpr const char* own = "10.0.2.100";
inline constexpr const char* gateway = "10.0.2.2";
inline constexpr const char* resolver = "10.0.2.3";  ///< stands for this machine's own
inline constexpr unsigned prefix = 24;
inline constexpr const char* own6 = "fd00::100";
inline constexpr const char* gateway6 = "fd00::2";
inline constexpr const char* resolver6 = "fd00::3";
inline constexpr unsigned prefix6 = 64;
}  // namespace uplink_address

/// Of the interface inside, in bytes: large, because each frame costs four system calls wherever it is going.
inline constexpr unsigned uplink_mtu = 65520;

/// argv of a program that finds its connection (passt), or what ends when nobody needs it any more (slirp), at
/// `descriptor`; slirp listens at `socket`. Pure.
std::vector<std::string> uplink_arguments(const UplinkProgram& program, bool has_ipv6, int descriptor,
                                          const std::string& socket);

/// True if `routes`, the content of /proc/net/ipv6_route, has a default route. Pure.
bool has_default_ipv6_route(std::string_view routes);

/// True if slirp4netns, which printed `text` when asked for its version, can serve a socket: since 1.2. Pure.
bool slirp_serves_sockets(std::string_view text);
/// True if passt, which printed `text` when asked for its version, is of 2024 or later. The one of Debian 12, which names
/// none, gives data twice where one side of a connection ended first. Pure.
bool passt_is_recent(std::string_view text);

}  // namespace imgbuild::builder
