// SPDX-License-Identifier: Apache-2.0
#include "layerstore/snapshot/trust.h"

#include <fmt/format.h>

#include <ctime>
#include <optional>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore {
namespace {

constexpr const char* marker_name = "complete";
constexpr const char* synced_name = "synced";
constexpr std::uint64_t marker_limit = 256;

std::string read_boot_id() {
    std::string text =
        Directory::open_host("/proc/sys/kernel/random").read_file(ImagePath().child("boot_id"), marker_limit);
    return std::string(trim(text));
}

const std::string& boot_id() {
    static const std::string id = read_boot_id();
    return id;
}

// "boot nanoseconds\n"; empty for anything else: a torn marker is no marker.
std::optional<BootMoment> read_moment(const Directory& directory, const ImagePath& path) {
    std::string text;
    try {
        text = directory.read_file(path, marker_limit);
    } catch (const Error&) {
        return std::nullopt;
    }
    if (!text.ends_with('\n')) return std::nullopt;
    auto parts = split(std::string_view(text).substr(0, text.size() - 1), ' ');
    auto nanoseconds = parts.size() == 2 ? parse_unsigned(parts[1]) : std::nullopt;
    if (!nanoseconds) return std::nullopt;
    return BootMoment{std::string(parts[0]), *nanoseconds};
}

std::string text_of(const BootMoment& moment) { return fmt::format("{} {}\n", moment.boot, moment.nanoseconds); }

}  // namespace

BootMoment BootMoment::now() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return {boot_id(),
            static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec)};
}

void write_marker(const Directory& delta) {
    write_file_atomically(delta, marker_name, text_of(BootMoment::now()), Durability::none);
}

bool is_trusted(const Directory& deltas, const Directory& spelling, const std::string& hex) {
    auto marker = read_moment(spelling, ImagePath().child(hex).child(marker_name));
    if (!marker) return false;
    if (marker->boot == boot_id()) return true;
    if (!is_path_component(marker->boot)) return false;
    auto synced = read_moment(deltas, ImagePath().child(synced_name).child(marker->boot));
    return synced && marker->nanoseconds < synced->nanoseconds;
}

void record_sync(const Directory& deltas, const BootMoment& moment) {
    Directory synced = deltas.make_directory(ImagePath().child(synced_name));
    write_file_atomically(synced, moment.boot, text_of(moment), Durability::none);
}

}  // namespace imgbuild::layerstore
