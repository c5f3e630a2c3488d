// SPDX-License-Identifier: Apache-2.0
#include "fetch/registries/short_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "fetch/registries/registries_conf.h"

namespace imgbuild::fetch {

ShortName expand_short_name(const Surroundings& surroundings, const std::string& name) {
    ConfigurationSteps steps;
    const RegistriesConf conf = read_as_configuration([&] { return RegistriesConf::read(surroundings, steps); });
    // A tag or a digest stays as it is.
    const std::size_t slash = name.rfind('/');
    const std::size_t end = std::min(name.find_first_of(":@", slash == std::string::npos ? 0 : slash), name.size());
    if (const auto alias = conf.alias(name.substr(0, end)); !alias.name.empty())
        return {{alias.name + name.substr(end)}, "an alias in " + alias.file};
    ShortName found{{}, "unqualified-search-registries in " + conf.search_file()};
    for (const std::string& registry : conf.search_registries()) found.names.push_back(registry + "/" + name);
    if (found.names.empty()) return {{"docker.io/" + name}, "what docker means"};
    if (found.names.size() > 1 && conf.short_name_mode() == ShortNameMode::enforcing)
        throw Error(ErrorKind::usage,
                    fmt::format("{}: may stand for {}", printable(name), printable(join(found.names, " or "))),
                    "write the whole name, or an alias for it into registries.conf; its short-name-mode is "
                    "\"enforcing\"");
    return found;
}

}  // namespace imgbuild::fetch
