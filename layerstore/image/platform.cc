// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/image/descriptor.h"

namespace imgbuild::layerstore {
namespace {

struct Spelling {
    std::string_view written;
    std::string_view architecture;
    std::string_view variant;
};

// What kernels, compilers and distributions say for Go's words.
constexpr Spelling spellings[] = {
    {"x86_64", "amd64", ""}, {"x86-64", "amd64", ""},    {"aarch64", "arm64", ""},   {"armhf", "arm", "v7"},
    {"armel", "arm", "v6"},  {"armv7l", "arm", "v7"},    {"armv6l", "arm", "v6"},    {"i386", "386", ""},
    {"i686", "386", ""},     {"ppc64le", "ppc64le", ""}, {"riscv64", "riscv64", ""}, {"s390x", "s390x", ""},
};

constexpr std::array<std::string_view, 15> known_architectures = {
    "386",    "amd64", "arm",     "arm64",   "loong64", "mips",    "mips64", "mips64le",
    "mipsle", "ppc64", "ppc64le", "riscv64", "s390x",   "sparc64", "wasm"};
constexpr std::array<std::string_view, 8> known_systems = {"linux",  "windows", "darwin",  "freebsd",
                                                           "netbsd", "openbsd", "solaris", "wasip1"};

template <class List>
bool contains(const List& list, std::string_view word) noexcept {
    return std::find(list.begin(), list.end(), word) != list.end();
}

bool is_version(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '.';
    });
}

bool is_word(std::string_view text) noexcept { return is_version(text) && text.find('.') == std::string_view::npos; }

[[noreturn]] void refuse(std::string_view text, std::string_view reason) {
    throw Error(ErrorKind::usage, fmt::format("platform: \"{}\": {}", printable(text), reason),
                "write os/architecture[/variant], for example linux/amd64 or linux/arm/v7");
}

// "windows(10.0.17763)" names the version of the system as well.
void read_system(std::string_view word, std::string_view text, Platform& platform) {
    std::size_t open = word.find('(');
    if (open != std::string_view::npos && word.ends_with(")")) {
        platform.os_version = word.substr(open + 1, word.size() - open - 2);
        if (!is_version(platform.os_version)) refuse(text, "the version of the system is not one");
        word = word.substr(0, open);
    }
    if (!is_word(word)) refuse(text, fmt::format("\"{}\" is no operating system", printable(word)));
    platform.os = to_lower(word) == "macos" ? "darwin" : to_lower(word);
}

Platform of(const Platform& platform, std::string_view architecture, std::string_view variant) {
    Platform other = platform;
    other.architecture = architecture;
    other.variant = variant;
    return other;
}

}  // namespace

Platform Platform::normalised() const {
    Platform result = *this;
    result.os = to_lower(os);
    result.architecture = to_lower(architecture);
    result.variant = to_lower(variant);
    for (const Spelling& spelling : spellings) {
        if (result.architecture != spelling.written) continue;
        result.architecture = spelling.architecture;
        if (result.variant.empty()) result.variant = spelling.variant;
    }
    const bool is_arm = result.architecture == "arm" || result.architecture == "arm64";
    if (is_arm && result.variant.size() == 1 && result.variant[0] >= '5' && result.variant[0] <= '9')
        result.variant.insert(0, "v");
    if (result.architecture == "arm" && result.variant.empty()) result.variant = "v7";
    if (result.architecture == "arm64" && result.variant == "v8") result.variant.clear();
    if (result.architecture == "amd64" && result.variant == "v1") result.variant.clear();
    return result;
}

Platform Platform::parse(std::string_view text) {
    auto parts = split(text, '/');
    if (text.empty() || parts.size() > 3) refuse(text, "expected os/architecture[/variant]");
    Platform platform;
    if (parts.size() == 1) {
        Platform alone{.architecture = std::string(text)};
        alone = alone.normalised();
        if (contains(known_architectures, alone.architecture)) return alone;
        read_system(text, text, platform);
        if (!contains(known_systems, platform.os)) refuse(text, "neither an operating system nor an architecture");
        platform.architecture = host().architecture;
        platform.variant = host().variant;
        return platform;
    }
    read_system(parts[0], text, platform);
    for (std::size_t i = 1; i < parts.size(); ++i)
        if (!is_word(parts[i]))
            refuse(text, fmt::format("\"{}\" is no {}", printable(parts[i]), i == 1 ? "architecture" : "variant"));
    platform.architecture = parts[1];
    if (parts.size() == 3) platform.variant = parts[2];
    return platform.normalised();
}

Platform Platform::host() {
    utsname names{};
    if (::uname(&names) != 0) throw_errno("ask", "the kernel's name");
    return Platform{.architecture = names.machine}.normalised();
}

Platform Platform::unknown() { return {.os = "unknown", .architecture = "unknown"}; }

bool Platform::is_unknown() const noexcept { return os == "unknown" || architecture == "unknown"; }

std::string Platform::text() const {
    std::string text = os;
    if (!os_version.empty()) text += "(" + os_version + ")";
    text += "/" + architecture;
    if (!variant.empty()) text += "/" + variant;
    return text;
}

std::vector<Platform> Platform::acceptable() const {
    const Platform wanted = normalised();
    std::vector<Platform> list{wanted};
    auto add_older = [&](std::string_view family, char newest, char oldest) {
        for (char version = newest; version >= oldest; --version)
            list.push_back(of(wanted, family, std::string("v") + version));
    };
    if (wanted.architecture == "amd64") {
        if (wanted.variant.size() == 2) add_older("amd64", static_cast<char>(wanted.variant[1] - 1), '2');
        if (!wanted.variant.empty()) list.push_back(of(wanted, "amd64", ""));
        list.push_back(of(wanted, "386", ""));
    } else if (wanted.architecture == "arm64") {
        if (!wanted.variant.empty()) list.push_back(of(wanted, "arm64", ""));
        add_older("arm", '8', '5');
    } else if (wanted.architecture == "arm" && wanted.variant.size() == 2) {
        add_older("arm", static_cast<char>(wanted.variant[1] - 1), '5');
    }
    return list;
}

}  // namespace imgbuild::layerstore
