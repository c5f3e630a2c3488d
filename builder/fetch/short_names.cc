// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/short_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/fetch/detail/fetch_request.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {
namespace {

namespace fs = std::filesystem;

void add_text(const fs::path& path, std::vector<std::string>& texts) {
    std::ifstream file(path);
    std::ostringstream text;
    if (file && (text << file.rdbuf())) texts.push_back(std::move(text).str());
}

// Every file that imgbuild-fetch may read for this. Which of them count is its business.
std::vector<std::string> texts_of_configuration() {
    std::vector<std::string> texts;
    if (const char* named = std::getenv("CONTAINERS_REGISTRIES_CONF")) add_text(named, texts);
    std::vector<fs::path> folders{"/etc/containers"};
    if (const char* folder = std::getenv("XDG_CONFIG_HOME"); folder && *folder) {
        folders.push_back(fs::path(folder) / "containers");
    } else if (const char* home = std::getenv("HOME")) {
        folders.push_back(fs::path(home) / ".config/containers");
    }
    for (const fs::path& folder : folders) {
        add_text(folder / "registries.conf", texts);
        std::error_code problem;
        for (const auto& entry : fs::directory_iterator(folder / "registries.conf.d", problem))
            add_text(entry.path(), texts);
    }
    return texts;
}

// Whether a line of TOML lists registries for short names, or gives `short_name` another meaning than docker's. What is
// written in an unusual way counts as if it did.
bool says_something(std::string_view line, std::string_view short_name) {
    const std::string_view said = trim(line);
    if (said.starts_with('#')) return false;
    if (said.find("search") != std::string_view::npos) return true;
    if (said.find(short_name) == std::string_view::npos) return said.find('\\') != std::string_view::npos;
    if (said == fmt::format("\"{0}\" = \"docker.io/library/{0}\"", short_name)) return false;
    std::string_view key = trim(said.substr(0, said.find('=')));
    if (key.size() > 1 && (key.front() == '"' || key.front() == '\'') && key.back() == key.front())
        key = key.substr(1, key.size() - 2);
    return key == short_name || key.starts_with("aliases") || said.find_first_of("{\\") != std::string_view::npos;
}

bool is_short(const std::string& name) {
    const std::string_view first = std::string_view(name).substr(0, name.find('/'));
    const bool is_alone = first.size() == name.size();
    return is_alone || (first.find_first_of(".:") == std::string_view::npos && first != "localhost");
}

}  // namespace

bool may_have_meaning(const std::vector<std::string>& texts, const std::string& short_name) {
    for (const std::string& text : texts)
        for (const std::string_view line : split(text, '\n'))
            if (says_something(line, short_name)) return true;
    return false;
}

ShortName expand_short_name(const std::string& name) {
    const ShortName as_it_is{{name}, {}};
    if (!is_short(name)) return as_it_is;
    const std::string alone = name.substr(0, std::min(name.find_first_of(":@"), name.size()));
    if (!may_have_meaning(texts_of_configuration(), alone)) return as_it_is;
    MemoryWriter no_output;
    const Json status = detail::run_fetch({{"kind", "short-name"}, {"name", name}}, no_output);
    ShortName found{{}, required_string(status, "reason", detail::fetch_helper)};
    const Json* list = optional_array(status, "names", detail::fetch_helper);
    for (const Json& one : list ? *list : Json::array())
        if (one.is_string()) found.names.push_back(layerstore::Reference::parse(one.get<std::string>()).full());
    if (found.names.empty()) throw Error(ErrorKind::internal, fmt::format("{}: names no image", detail::fetch_helper));
    return found;
}

}  // namespace imgbuild::builder
