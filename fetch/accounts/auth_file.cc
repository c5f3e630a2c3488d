// SPDX-License-Identifier: Apache-2.0
#include "fetch/accounts/auth_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace imgbuild::fetch {
namespace {

constexpr const char* docker_hub = "https://index.docker.io/v1/";

// "https://host:1/v1/" is an old way to write "host:1".
std::string host_of_key(std::string_view key) {
    const bool had_scheme = key.starts_with("https://") || key.starts_with("http://");
    if (had_scheme) key.remove_prefix(key.find("//") + 2);
    const std::size_t slash = key.find('/');
    const std::string_view path = slash == std::string_view::npos ? "" : key.substr(slash);
    const bool is_api = path == "/" || path == "/v1" || path == "/v1/" || path == "/v2" || path == "/v2/";
    if (had_scheme || is_api) return std::string(key.substr(0, slash));
    return std::string(key);
}

}  // namespace

std::vector<std::string> credential_keys(const std::string& domain, const std::string& repository) {
    std::vector<std::string> keys;
    std::string path = repository.empty() ? domain : domain + "/" + repository;
    for (;;) {
        keys.push_back(path);
        if (path == domain) break;
        path.resize(path.rfind('/'));
    }
    if (domain == "docker.io") keys.insert(keys.end(), {docker_hub, "index.docker.io", "registry-1.docker.io"});
    return keys;
}

std::string server_name(const std::string& domain) { return domain == "docker.io" ? docker_hub : domain; }

AuthFile::AuthFile(std::string_view text, const std::string& name) : name_(name) {
    if (trim(text).empty()) text = "{}";
    document_ = parse_json(text, name);
    if (!document_.is_object()) throw Error(ErrorKind::invalid_input, fmt::format("{}: no JSON object", name));
    const auto is_known = [&](const char* member) { return document_.contains(member); };
    is_old_ = !document_.empty() && !is_known("auths") && !is_known("credHelpers") && !is_known("credsStore") &&
              std::ranges::all_of(document_, [](const Json& one) { return one.is_object() && one.contains("auth"); });
}

const Json* AuthFile::entry(const std::string& key) const {
    const Json* entries = is_old_ ? &document_ : optional_object(document_, "auths", name_);
    if (!entries) return nullptr;
    if (const auto found = entries->find(key); found != entries->end()) return &*found;
    for (const auto& [name, value] : entries->items())
        if (host_of_key(name) == key) return &value;
    return nullptr;
}

Credential AuthFile::read_entry(const std::string& key, const Json& entry) const {
    const std::string what = fmt::format("{}: {}", name_, printable(key));
    const auto member = [&](const char* name) { return optional_string(entry, name, what).value_or(""); };
    if (!entry.is_object()) throw Error(ErrorKind::invalid_input, fmt::format("{}: no object", what));
    Credential credential{member("username"), member("password"), member("identitytoken"), member("registrytoken")};
    if (const std::string packed = member("auth"); !packed.empty()) {
        const auto text = decode_base64(packed);
        const std::size_t colon = text ? text->find(':') : std::string::npos;
        if (colon == std::string::npos)
            throw Error(ErrorKind::invalid_input, fmt::format("{}: auth is not \"user:password\" in base64", what));
        credential.user = text->substr(0, colon);
        credential.password = text->substr(colon + 1);
        while (credential.password.ends_with('\0')) credential.password.pop_back();
    }
    return credential;
}

std::string AuthFile::helper_for(const std::string& key) const {
    const std::string host = host_of_key(key);
    if (const Json* helpers = optional_object(document_, "credHelpers", name_))
        for (const std::string& name : {key, host})
            if (const auto helper = optional_string(*helpers, name, name_ + ": credHelpers")) return *helper;
    return optional_string(document_, "credsStore", name_).value_or("");
}

std::optional<AuthFile::Found> AuthFile::find(const std::vector<std::string>& keys) const {
    if (const Json* helpers = optional_object(document_, "credHelpers", name_))
        for (const std::string& key : keys)
            if (const auto helper = optional_string(*helpers, key, name_ + ": credHelpers"); helper && !helper->empty())
                return Found{key, {}, *helper};
    for (const std::string& key : keys)
        if (const Json* found = entry(key)) {
            Credential credential = read_entry(key, *found);
            if (!credential.is_empty()) return Found{key, std::move(credential), {}};
        }
    const std::string store = optional_string(document_, "credsStore", name_).value_or("");
    if (store.empty() || keys.empty()) return std::nullopt;
    // Helpers are asked for registries, never for what lies in them.
    const auto registry = std::ranges::find_if(keys, [](const std::string& key) { return key == docker_hub; });
    const std::string domain = keys.front().substr(0, keys.front().find('/'));
    return Found{registry == keys.end() ? domain : *registry, {}, store};
}

void AuthFile::set(const std::string& key, const Credential& credential) {
    Json entry = Json::object();
    if (!credential.user.empty()) entry["auth"] = encode_base64(credential.user + ":" + credential.password);
    if (!credential.identity_token.empty()) entry["identitytoken"] = credential.identity_token;
    (is_old_ ? document_ : document_["auths"])[key] = std::move(entry);
}

bool AuthFile::remove(const std::string& key) {
    Json* entries = &document_;
    if (!is_old_) {
        if (!document_.contains("auths")) return false;
        entries = &document_["auths"];
    }
    return entries->is_object() && entries->erase(key) > 0;
}

std::string AuthFile::text() const { return write_json_indented(document_) + "\n"; }

}  // namespace imgbuild::fetch
