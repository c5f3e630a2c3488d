// SPDX-License-Identifier: Apache-2.0
#pragma once

// registries.conf of podman, buildah, skopeo and their like (containers-registries.conf(5)), format version 2, and the
// three lists of version 1. Read are $CONTAINERS_REGISTRIES_CONF, else ~/.config/containers/registries.conf, else
// /etc/containers/registries.conf; then the files of /etc/containers/registries.conf.d, unless the user's own file was
// read, and of ~/.config/containers/registries.conf.d, each folder by name. What comes later replaces what says
// something else of the same thing.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fetch/surroundings.h"

namespace imgbuild::fetch {

/// For which names a mirror is asked.
enum class MirrorUse { all, digest_only, tag_only };

struct MirrorRule {
    std::string location;  ///< "mirror.example:5000/proxy": takes the place of what the prefix matched
    bool is_insecure = false;
    MirrorUse use = MirrorUse::all;
};

/// One [[registry]] table.
struct RegistryRule {
    std::string prefix;    ///< "docker.io/library" or "*.example.com"
    std::string location;  ///< as in MirrorRule; empty, for a wildcard alone: names stay as they are
    bool is_insecure = false;
    bool is_blocked = false;
    std::vector<MirrorRule> mirrors;
    std::string file;  ///< that says so

    /// True if names that match are looked for elsewhere than where they say.
    bool leads_elsewhere() const { return !mirrors.empty() || (!location.empty() && location != prefix); }
};

/// How short names become whole ones.
enum class ShortNameMode { enforcing, permissive, disabled };

class RegistriesConf {
  public:
    /// `steps` gets one entry for each file. Error{invalid_input} that names file and member.
    static RegistriesConf read(const Surroundings& surroundings, ConfigurationSteps& steps);
    /// Takes over what the text of `file` says. For tests and read().
    void add(std::string_view text, const std::string& file);

    /// The rule with the longest prefix that matches "docker.io/library/alpine:latest" or null. Valid as long as this.
    const RegistryRule* find(std::string_view name) const;

    /// What a short name stands for.
    struct Alias {
        std::string name;  ///< whole, without a tag; empty where there is none
        std::string file;  ///< that says so
    };
    /// Of `short_name` ("alpine", "team/app").
    Alias alias(const std::string& short_name) const;
    /// Where short names without an alias are looked for, and the file that says so.
    const std::vector<std::string>& search_registries() const noexcept { return search_registries_; }
    const std::string& search_file() const noexcept { return search_file_; }
    ShortNameMode short_name_mode() const noexcept { return short_name_mode_; }

  private:
    std::map<std::string, RegistryRule> rules_;  ///< by prefix
    std::map<std::string, Alias> aliases_;
    std::vector<std::string> search_registries_;
    std::string search_file_;
    ShortNameMode short_name_mode_ = ShortNameMode::permissive;
};

/// How much of the front of `name` the prefix of a rule matches; empty where it does not.
std::optional<std::size_t> matched_length(std::string_view name, std::string_view prefix);

}  // namespace imgbuild::fetch
