// SPDX-License-Identifier: Apache-2.0
#include "fetch/accounts/credential_search.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/text.h"
#include "fetch/accounts/auth_file.h"
#include "fetch/accounts/credential_helper.h"

namespace imgbuild::fetch {
namespace {

constexpr const char* inline_name = "$DOCKER_AUTH_CONFIG";

std::optional<std::string> text_of(const Surroundings& surroundings, const CredentialPlace& place) {
    return place.is_text ? surroundings.variable("DOCKER_AUTH_CONFIG") : read_configuration(place.name);
}

std::string describe(const Credential& credential) {
    if (!credential.registry_token.empty()) return "a registry token";
    if (!credential.identity_token.empty()) return "an identity token";
    return "user " + printable(credential.user);
}

// In kubernetes, a secret of docker's configuration is mounted under another name than docker reads.
std::string absence_of(const CredentialPlace& place) {
    const std::filesystem::path other = std::filesystem::path(place.name).parent_path() / ".dockerconfigjson";
    std::error_code problem;
    if (place.is_named && place.name.ends_with("/config.json") && std::filesystem::exists(other, problem))
        return fmt::format("not there, but {} is: mount it as config.json", printable(other.string()));
    return "not there";
}

// Credentials of the file itself, or those that its helper has.
std::pair<Credential, std::string> resolve(const AuthFile::Found& found, const std::string& domain) {
    if (found.helper.empty()) return {found.credential, describe(found.credential)};
    const bool is_registry = found.key.find('/') == std::string::npos || found.key.starts_with("https://");
    auto credential = ask_credential_helper(found.helper, is_registry ? found.key : domain);
    if (!credential) return {{}, fmt::format("helper {}: nothing for this registry", found.helper)};
    return {*credential, fmt::format("helper {}: {}", found.helper, describe(*credential))};
}

// Behind a link the file that it leads to is replaced, not the link.
void write_secret_file(const std::string& name, const std::string& text) {
    namespace fs = std::filesystem;
    std::error_code problem;
    const fs::path resolved = fs::exists(name, problem) ? fs::canonical(name, problem) : fs::path(name);
    const fs::path path = problem || resolved.empty() ? fs::path(name) : resolved;
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    if (!fs::exists(folder, problem)) {
        fs::create_directories(folder, problem);
        fs::permissions(folder, fs::perms::owner_all, problem);
    }
    write_file_atomically(Directory::open_host(folder.string()), path.filename().string(), text, Durability::full,
                          0600);
}

CredentialPlace place_to_save(const Surroundings& surroundings) {
    for (const CredentialPlace& place : credential_places(surroundings)) {
        if (place.is_text) continue;
        std::error_code problem;
        if (place.is_named || std::filesystem::exists(place.name, problem)) return place;
    }
    const auto path = surroundings.in_home(".docker/config.json");
    if (!path)
        throw Error(ErrorKind::usage, "login: there is no file to write to",
                    "set HOME, or name a file with --authfile");
    return {*path};
}

}  // namespace

std::vector<CredentialPlace> credential_places(const Surroundings& surroundings) {
    std::vector<CredentialPlace> places;
    const auto add = [&](const std::optional<std::string>& base, const std::string& rest, bool is_named) {
        if (base) places.push_back({*base + rest, is_named});
    };
    add(surroundings.variable("REGISTRY_AUTH_FILE"), "", true);
    if (surroundings.variable("DOCKER_AUTH_CONFIG")) places.push_back({inline_name, true, true});
    add(surroundings.variable("DOCKER_CONFIG"), "/config.json", true);
    add(surroundings.variable("XDG_RUNTIME_DIR"), "/containers/auth.json", false);
    add(surroundings.in_config_home("containers/auth.json"), "", false);
    add(surroundings.in_home(".docker/config.json"), "", false);
    add(surroundings.in_home(".dockercfg"), "", false);
    return places;
}

CredentialSearch search_credential(const Surroundings& surroundings, const std::string& domain,
                                   const std::string& repository) {
    CredentialSearch search;
    const std::vector<std::string> keys = credential_keys(domain, repository);
    for (const CredentialPlace& place : credential_places(surroundings)) {
        ConfigurationStep step{place.name, "nothing for this registry"};
        const auto text = text_of(surroundings, place);
        if (!text) {
            step.outcome = absence_of(place);
        } else if (const auto found = AuthFile(*text, place.name).find(keys)) {
            std::tie(search.credential, step.outcome) = resolve(*found, domain);
        }
        search.steps.push_back(std::move(step));
        if (!search.credential.is_empty()) break;
    }
    return search;
}

std::string save_credential(const Surroundings& surroundings, const std::string& domain, const Credential& credential) {
    const CredentialPlace place = place_to_save(surroundings);
    AuthFile file(read_configuration(place.name).value_or("{}"), place.name);
    const std::string key = server_name(domain);
    const std::string helper = file.helper_for(key);
    if (!helper.empty()) store_by_helper(helper, key, credential);
    file.set(key, helper.empty() ? credential : Credential());
    write_secret_file(place.name, file.text());
    return helper.empty() ? place.name : fmt::format("the credential helper {}", helper);
}

std::vector<std::string> remove_credentials(const Surroundings& surroundings, const std::string& domain) {
    std::vector<std::string> removed;
    for (const CredentialPlace& place : credential_places(surroundings)) {
        const auto text = place.is_text ? std::nullopt : read_configuration(place.name);
        if (!text) continue;
        AuthFile file(*text, place.name);
        const std::string key = server_name(domain);
        if (const std::string helper = file.helper_for(key); !helper.empty()) erase_by_helper(helper, key);
        bool is_changed = false;
        for (const std::string& spelling : credential_keys(domain, "")) is_changed |= file.remove(spelling);
        if (!is_changed) continue;
        write_secret_file(place.name, file.text());
        removed.push_back(place.name);
    }
    return removed;
}

}  // namespace imgbuild::fetch
