// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/actions_cache_option.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "parser/instruction/values.h"

namespace imgbuild::cli {
namespace {

bool is_secret(std::string_view key) { return key == "token" || key == "ghtoken"; }

// Which version of the service the runner speaks of, unless the user does.
bool is_version_2(CsvFields& fields, std::string_view flag, const EnvironmentLookup& environment) {
    if (const auto version = take(fields, "version")) {
        if (*version != "1" && *version != "2") refuse_value(flag, "version=" + *version, "there are 1 and 2");
        return *version == "2";
    }
    if (fields.values.contains("url_v2") != fields.values.contains("url")) return fields.values.contains("url_v2");
    const auto said = environment("ACTIONS_CACHE_SERVICE_V2");
    return said && parser::parse_bool(*said).value_or(false);
}

std::string address_of(CsvFields& fields, bool is_twirp, const EnvironmentLookup& environment) {
    const auto first = take(fields, "url");
    const auto second = take(fields, "url_v2");
    if (const auto& own = is_twirp ? second : first) return *own;
    return environment(is_twirp ? "ACTIONS_RESULTS_URL" : "ACTIONS_CACHE_URL").value_or("");
}

std::string scope_of(CsvFields& fields, std::string_view flag) {
    const std::string scope = take(fields, "scope").value_or("imgbuild");
    if (scope.empty() || scope.size() > builder::max_actions_scope_bytes || printable(scope) != scope ||
        scope.find(',') != std::string::npos)
        refuse_value(flag, "scope=" + scope.substr(0, 80), "no name of a cache",
                     fmt::format("write 1 to {} characters without a comma", builder::max_actions_scope_bytes));
    return scope;
}

// "none", "read", "write-only": what the runner allows, so that a denial need not be asked for.
void read_runner_mode(ActionsCacheOption& option, const EnvironmentLookup& environment) {
    const std::string mode = environment("ACTIONS_CACHE_MODE").value_or("");
    option.may_read = mode != "none" && mode != "write-only";
    option.may_write = mode != "none" && mode != "read";
    if (!option.may_read || !option.may_write) option.why_not = "ACTIONS_CACHE_MODE is " + mode;
}

}  // namespace

ActionsCacheOption read_actions_cache(CsvFields& fields, std::string_view flag, const EnvironmentLookup& environment) {
    builder::ActionsPlace place;
    place.service.is_twirp = is_version_2(fields, flag, environment);
    place.service.url = address_of(fields, place.service.is_twirp, environment);
    const auto token = take(fields, "token");
    place.service.token = token ? *token : environment("ACTIONS_RUNTIME_TOKEN").value_or("");
    place.scope = scope_of(fields, flag);
    if (const auto timeout = take(fields, "timeout"))
        place.service.timeout = std::chrono::seconds(parse_seconds(*timeout, flag));
    // With these buildx asks another service whether entries are there.
    for (const char* key : {"repository", "ghtoken"}) take(fields, key);

    ActionsCacheOption option;
    if (place.service.url.empty() || place.service.token.empty()) {
        option.why_not = fmt::format(
            "no cache service is known: {} and ACTIONS_RUNTIME_TOKEN are not both set, as a job of GitHub Actions has "
            "them for actions and not for scripts",
            place.service.is_twirp ? "ACTIONS_RESULTS_URL" : "ACTIONS_CACHE_URL");
        return option;
    }
    option.place = std::move(place);
    read_runner_mode(option, environment);
    return option;
}

std::string without_tokens(std::string_view text) {
    std::vector<std::string> shown;
    try {
        for (const std::string& field : split_csv(text)) {
            const std::size_t equals = field.find('=');
            const bool hides = equals != std::string::npos && is_secret(to_lower(trim(field.substr(0, equals))));
            shown.push_back(hides ? field.substr(0, equals + 1) + "…" : field);
        }
    } catch (const Error&) {
        return std::string(text.substr(0, text.find("token")));
    }
    return join(shown, ",");
}

}  // namespace imgbuild::cli
