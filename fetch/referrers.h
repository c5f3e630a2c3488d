// SPDX-License-Identifier: Apache-2.0
#pragma once

// What refers to a manifest (distribution-spec 1.1, end-12a and "Referrers Tag Schema").

#include <string>

#include "base/digest.h"
#include "fetch/http.h"
#include "layerstore/image/reference.h"

namespace imgbuild::fetch {

struct Referrers {
    std::string index;   ///< an OCI index of descriptors; empty where there is none
    std::string source;  ///< "api", "tag", or "none"
};

/// The index of what refers to `subject`: the registry's own, all pages of it; where it keeps none (404), or `tag_only`
/// says so, the one that clients keep under the tag "sha256-HEX". Errors as transfer(); what is no index is
/// Error{invalid_input}.
Referrers fetch_referrers(HttpClient& client, const layerstore::Reference& repository, const Digest& subject,
                          bool tag_only);

/// The address in a Link header whose relation is "next"; empty where there is none.
std::string next_page(const std::string& link_header);

}  // namespace imgbuild::fetch
