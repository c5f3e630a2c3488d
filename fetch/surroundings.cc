// SPDX-License-Identifier: Apache-2.0
#include "fetch/surroundings.h"

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/stream.h"

namespace imgbuild::fetch {
namespace {

constexpr std::size_t most_configuration_bytes = 1024 * 1024;

}  // namespace

Surroundings Surroundings::of_process() {
    Surroundings surroundings;
    surroundings.variable = [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        return value && *value ? std::optional<std::string>(value) : std::nullopt;
    };
    return surroundings;
}

std::optional<std::string> Surroundings::in_home(const std::string& rest) const {
    const auto home = variable("HOME");
    return home ? std::optional(*home + "/" + rest) : std::nullopt;
}

std::optional<std::string> Surroundings::in_config_home(const std::string& rest) const {
    if (const auto folder = variable("XDG_CONFIG_HOME")) return *folder + "/" + rest;
    return in_home(".config/" + rest);
}

std::optional<std::string> read_configuration(const std::string& path) {
    std::error_code problem;
    if (!std::filesystem::is_regular_file(path, problem)) return std::nullopt;
    // O_NONBLOCK: a fifo that takes its place must not hang us.
    Fd file = open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_NONBLOCK);
    if (!file) throw_errno("read", path);
    FdReader reader(std::move(file), path);
    return read_all(reader, most_configuration_bytes, path);
}

}  // namespace imgbuild::fetch
