// SPDX-License-Identifier: Apache-2.0
#pragma once

// hosts.toml of containerd: for one registry, the hosts that are asked instead of it, in the order of the file, and the
// registry itself at the end.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fetch/surroundings.h"
#include "fetch/tls.h"
#include "fetch/url.h"

namespace imgbuild::fetch {

struct HostEntry {
    std::optional<Url> base;  ///< ".../v2"; empty: the registry that the folder is for
    TlsSettings tls;
    std::vector<std::string> headers;  ///< lines "Name: value"
    bool can_pull = true;              ///< may be asked for what a digest names
    bool can_resolve = true;           ///< may be asked what a tag means
    bool can_push = false;             ///< only where the file says so in so many words
    bool is_server = false;            ///< the registry itself
};

struct HostsToml {
    std::string file;
    std::vector<HostEntry> hosts;  ///< the server is the last
};

/// The document; paths in it are relative to the folder of `file`. Error{invalid_input} that names file and member.
HostsToml parse_hosts_toml(std::string_view text, const std::string& file);

/// That of `domain`, of the user or of the system, else the one for all ("_default"); empty where there is none.
/// `steps` gets one entry for each file that was looked for.
std::optional<HostsToml> read_hosts_toml(const Surroundings& surroundings, const std::string& domain,
                                         ConfigurationSteps& steps);

}  // namespace imgbuild::fetch
