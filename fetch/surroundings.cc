// SPDX-License-Identifier: Apache-2.0
#include "fetch/surroundings.h"

#include <fcntl.h>

#include <algorithm>
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

std::vector<std::string> list_configuration(const std::string& folder, std::string_view suffix) {
    std::vector<std::string> names;
    std::error_code problem;
    for (std::filesystem::directory_iterator entry(folder, problem), end; !problem && entry != end;
         entry.increment(problem))
        if (std::string name = entry->path().filename().string(); name.size() > suffix.size() && name.ends_with(suffix))
            names.push_back(std::move(name));
    if (problem && problem != std::errc::no_such_file_or_directory && problem != std::errc::not_a_directory)
        throw_errno("read", folder, problem.value());
    std::ranges::sort(names);
    return names;
}

}  // namespace imgbuild::fetch
