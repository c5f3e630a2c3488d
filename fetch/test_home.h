// SPDX-License-Identifier: Apache-2.0
#pragma once

// For tests: the surroundings of a user of whom nothing is known but what a test puts there.

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "base/temporary_directory.h"
#include "fetch/surroundings.h"

namespace imgbuild::fetch::test {

/// A home with what a test puts there, and an /etc inside it.
struct Home {
    TemporaryDirectory folder = TemporaryDirectory::create();
    std::map<std::string, std::string> variables{{"HOME", folder.path()}};

    Surroundings surroundings() const {
        Surroundings out;
        out.variable = [this](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        };
        out.system = path("etc");
        return out;
    }
    std::string path(const std::string& name) const { return folder.path() + "/" + name; }
    void write(const std::string& name, const std::string& text, unsigned mode = 0600) const {
        std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
        std::ofstream(path(name)) << text;
        ::chmod(path(name).c_str(), mode);
    }
    std::string read(const std::string& name) const {
        std::ifstream file(path(name));
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }
};

}  // namespace imgbuild::fetch::test
