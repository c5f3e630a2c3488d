// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files of credentials as docker, podman and their like write them: config.json, auth.json, .dockerconfigjson and the
// old .dockercfg.

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fetch/accounts/credential.h"

namespace imgbuild::fetch {

/// The keys under which a credential for `repository` ("team/app", may be empty) of `domain` may stand, the best first:
/// longer paths before shorter ones, then the registry, then what docker calls Docker Hub.
std::vector<std::string> credential_keys(const std::string& domain, const std::string& repository);

/// What docker's own tools and credential helpers call the registry `domain`.
std::string server_name(const std::string& domain);

class AuthFile {
  public:
    /// Error{invalid_input} that names `name` and shows nothing of what the file holds.
    AuthFile(std::string_view text, const std::string& name);

    struct Found {
        std::string key;        ///< "registry.example.com/team"
        Credential credential;  ///< empty where a helper has it
        std::string helper;     ///< its name, where one is asked
    };
    /// A helper that is meant for one of the keys, else what the file holds itself, else the helper for everything.
    /// Empty where none of them is there. Error{invalid_input} for an entry that cannot be read.
    std::optional<Found> find(const std::vector<std::string>& keys) const;

    /// The helper that a credential under this key is stored by; empty: the file itself.
    std::string helper_for(const std::string& key) const;
    /// Enters a credential, or with an empty one that a helper has it.
    void set(const std::string& key, const Credential& credential);
    /// False where it was not there.
    bool remove(const std::string& key);
    std::string text() const;

  private:
    const nlohmann::ordered_json* entry(const std::string& key) const;
    Credential read_entry(const std::string& key, const nlohmann::ordered_json& entry) const;

    std::string name_;
    bool is_old_ = false;  ///< .dockercfg: the entries are the document
    nlohmann::ordered_json document_;
};

}  // namespace imgbuild::fetch
