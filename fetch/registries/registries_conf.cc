// SPDX-License-Identifier: Apache-2.0
#include "fetch/registries/registries_conf.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "fetch/registries/toml_file.h"

namespace imgbuild::fetch {
namespace {

[[noreturn]] void refuse_member(const std::string& place, std::string_view reason) {
    throw Error(ErrorKind::invalid_input, fmt::format("{}: {}", printable(place), reason));
}

// "host[:port][/path]", without a scheme, which would say what `insecure` says.
std::string read_location(const Json& table, const char* member, const std::string& place) {
    std::string location = optional_string(table, member, place).value_or("");
    while (location.ends_with('/')) location.pop_back();
    const std::string where = fmt::format("{}.{}", place, member);
    if (location.find("://") != std::string::npos)
        refuse_member(where, "expected a registry without a scheme, like \"registry.example:5000/team\"");
    for (const char c : location)
        if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
            refuse_member(where, "holds blanks or control characters");
    return location;
}

MirrorUse read_use(const Json& table, const std::string& place, bool by_digest_only) {
    const std::string text = optional_string(table, "pull-from-mirror", place).value_or("");
    if (by_digest_only && !text.empty())
        refuse_member(place + ".pull-from-mirror", "cannot be set beside mirror-by-digest-only");
    if (by_digest_only || text == "digest-only") return MirrorUse::digest_only;
    if (text == "tag-only") return MirrorUse::tag_only;
    if (!text.empty() && text != "all")
        refuse_member(place + ".pull-from-mirror", "expected \"all\", \"digest-only\" or \"tag-only\"");
    return MirrorUse::all;
}

void check_prefix(const RegistryRule& rule, const std::string& place) {
    if (rule.prefix.empty()) refuse_member(place, "has neither a prefix nor a location");
    const std::size_t star = rule.prefix.find('*');
    if (star == std::string::npos) return;
    const std::string_view rest = std::string_view(rule.prefix).substr(1);
    if (star != 0 || !rest.starts_with('.') || rest.size() < 2 || rest.find_first_of("*/:@") != std::string_view::npos)
        refuse_member(place + ".prefix",
                      "a wildcard stands at the front only and before a host, as in \"*.example.com\"");
}

RegistryRule read_rule(const Json& table, const std::string& place, const std::string& file) {
    if (!table.is_object()) refuse_member(place, "expected a table");
    RegistryRule rule{.prefix = read_location(table, "prefix", place),
                      .location = read_location(table, "location", place),
                      .is_insecure = optional_boolean(table, "insecure", place).value_or(false),
                      .is_blocked = optional_boolean(table, "blocked", place).value_or(false),
                      .file = file};
    if (rule.prefix.empty()) rule.prefix = rule.location;
    check_prefix(rule, place);
    if (rule.location.empty() && !rule.prefix.starts_with('*')) rule.location = rule.prefix;
    const bool by_digest_only = optional_boolean(table, "mirror-by-digest-only", place).value_or(false);
    const Json* mirrors = optional_array(table, "mirror", place);
    for (const Json& one : mirrors ? *mirrors : Json::array()) {
        const std::string where = fmt::format("{}.mirror[{}]", place, rule.mirrors.size());
        if (!one.is_object()) refuse_member(where, "expected a table");
        MirrorRule mirror{read_location(one, "location", where),
                          optional_boolean(one, "insecure", where).value_or(false),
                          read_use(one, where, by_digest_only)};
        if (mirror.location.empty()) refuse_member(where, "has no location");
        rule.mirrors.push_back(std::move(mirror));
    }
    return rule;
}

std::vector<std::string> read_strings(const Json& table, const char* member, const std::string& place) {
    std::vector<std::string> strings;
    const Json* list = optional_array(table, member, place);
    for (const Json& one : list ? *list : Json::array()) {
        if (!one.is_string()) refuse_member(fmt::format("{}: {}", place, member), "expected strings");
        strings.push_back(one.get<std::string>());
    }
    return strings;
}

ShortNameMode read_mode(const std::string& text, const std::string& file) {
    if (text == "enforcing") return ShortNameMode::enforcing;
    if (text == "permissive") return ShortNameMode::permissive;
    if (text == "disabled") return ShortNameMode::disabled;
    refuse_member(file + ": short-name-mode", "expected \"enforcing\", \"permissive\" or \"disabled\"");
}

// The files in the order in which they count; the first is the main one.
std::vector<std::string> files_of(const Surroundings& surroundings, ConfigurationSteps& steps) {
    std::vector<std::string> files;
    const auto user_file = surroundings.in_config_home("containers/registries.conf");
    std::error_code problem;
    const auto named = surroundings.variable("CONTAINERS_REGISTRIES_CONF");
    const bool is_users = !named && user_file && std::filesystem::exists(*user_file, problem);
    if (!named && user_file && !is_users) steps.push_back({*user_file, "not there"});
    files.push_back(named ? *named : is_users ? *user_file : surroundings.system + "/containers/registries.conf");
    std::vector<std::string> folders;
    if (!is_users) folders.push_back(surroundings.system + "/containers/registries.conf.d");
    if (const auto folder = surroundings.in_config_home("containers/registries.conf.d")) folders.push_back(*folder);
    for (const std::string& folder : folders)
        for (const std::string& name : list_configuration(folder, ".conf")) files.push_back(folder + "/" + name);
    return files;
}

}  // namespace

std::optional<std::size_t> matched_length(std::string_view name, std::string_view prefix) {
    std::size_t end = prefix.size();
    if (prefix.starts_with('*')) {
        // At the last place in the host, so that "*.a" takes all of "b.a.a".
        const std::string_view host = name.substr(0, name.find_first_of(":/@"));
        const std::string_view suffix = prefix.substr(1);
        if (host.size() <= suffix.size() || !host.ends_with(suffix)) return std::nullopt;
        end = host.size();
    } else if (!name.starts_with(prefix)) {
        return std::nullopt;
    }
    const bool ends_there = end == name.size() || name[end] == ':' || name[end] == '/' || name[end] == '@';
    return ends_there ? std::optional(end) : std::nullopt;
}

RegistriesConf RegistriesConf::read(const Surroundings& surroundings, ConfigurationSteps& steps) {
    RegistriesConf all;
    for (const std::string& file : files_of(surroundings, steps)) {
        const auto text = read_configuration(file);
        steps.push_back({file, text ? "nothing for this name" : "not there"});
        if (text) all.add(*text, file);
    }
    return all;
}

void RegistriesConf::add(std::string_view text, const std::string& file) {
    const Json document = parse_toml(text, file);
    std::map<std::string, RegistryRule> rules;
    const auto add_rule = [&](RegistryRule rule, const std::string& place) {
        const std::string prefix = rule.prefix;
        if (!rules.emplace(prefix, std::move(rule)).second)
            refuse_member(place, fmt::format("\"{}\" stands above already", printable(prefix)));
    };
    const Json* tables = optional_array(document, "registry", file);
    std::size_t number = 0;
    for (const Json& table : tables ? *tables : Json::array()) {
        const std::string place = fmt::format("{}: registry[{}]", file, number++);
        add_rule(read_rule(table, place, file), place);
    }
    if (document.contains("unqualified-search-registries")) {
        search_registries_ = read_strings(document, "unqualified-search-registries", file);
        search_file_ = file;
    }
    // Version 1 knows these three lists and nothing else.
    if (const Json* old = optional_object(document, "registries", file)) {
        const std::string place = file + ": registries";
        if (tables) refuse_member(place, "mixes the two versions of the format");
        const auto listed = [&](const char* kind) {
            const Json* table = optional_object(*old, kind, place);
            return table ? read_strings(*table, "registries", place + "." + kind) : std::vector<std::string>{};
        };
        search_registries_ = listed("search");
        search_file_ = file;
        for (const std::string& one : listed("insecure")) rules[one].is_insecure = true;
        for (const std::string& one : listed("block")) rules[one].is_blocked = true;
        for (auto& [prefix, rule] : rules) rule.prefix = rule.location = prefix, rule.file = file;
    }
    for (auto& [prefix, rule] : rules) rules_.insert_or_assign(prefix, std::move(rule));
    if (const auto mode = optional_string(document, "short-name-mode", file); mode && !mode->empty())
        short_name_mode_ = read_mode(*mode, file);
    if (const Json* aliases = optional_object(document, "aliases", file))
        for (const auto& [name, value] : aliases->items()) {
            if (!value.is_string()) refuse_member(fmt::format("{}: aliases.{}", file, name), "expected a string");
            aliases_[name] = {value.get<std::string>(), file};
        }
}

const RegistryRule* RegistriesConf::find(std::string_view name) const {
    const RegistryRule* best = nullptr;
    for (const auto& [prefix, rule] : rules_)
        if (matched_length(name, prefix) && (!best || prefix.size() > best->prefix.size())) best = &rule;
    return best;
}

RegistriesConf::Alias RegistriesConf::alias(const std::string& short_name) const {
    const auto found = aliases_.find(short_name);
    return found == aliases_.end() ? Alias() : found->second;
}

}  // namespace imgbuild::fetch
