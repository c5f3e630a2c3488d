// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where an image is asked for or sent to: the registry of its name, or what the configuration of this machine says
// instead. docs/registry.md has the order in which its files count.

#include <string>
#include <vector>

#include "fetch/surroundings.h"
#include "fetch/tls.h"
#include "fetch/url.h"
#include "layerstore/image/reference.h"

namespace imgbuild::fetch {

/// One registry that is asked.
struct Endpoint {
    layerstore::Reference reference;   ///< what the image is called there; credentials are looked for by this name
    Url base;                          ///< ".../v2"
    bool may_be_plain = false;         ///< where nobody answers by TLS, http is tried
    std::string name_space;            ///< the registry that a mirror of many stands for; may be empty
    std::vector<std::string> headers;  ///< lines, for this origin alone
    TlsSettings tls;
    std::string reason;  ///< for people: "the registry itself", "mirror, by /etc/docker/daemon.json"

    /// What of `tls` is good for a URL that this registry led to: its authorities everywhere, no verification on the
    /// same host alone, and who we are at the same origin alone.
    TlsSettings tls_for(const Url& url) const;
};

enum class Purpose {
    resolve,  ///< what a tag means
    pull,     ///< a manifest by its digest
    blob,     ///< a blob by its digest, of an image that may have been named by a tag
    push,
};

struct Route {
    std::vector<Endpoint> endpoints;  ///< in the order in which they are asked; never empty
    ConfigurationSteps steps;         ///< the files that were looked at
};

/// Reads the configuration. Error{denied} where it blocks the name, {usage} where a file cannot be understood.
Route find_route(const Surroundings& surroundings, const layerstore::Reference& reference, Purpose purpose);

}  // namespace imgbuild::fetch
