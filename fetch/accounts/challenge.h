// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a server wants of those it does not know: WWW-Authenticate headers (RFC 9110, 11.6.1).

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::fetch {

struct Challenge {
    std::string scheme;                             ///< lower case: "bearer", "basic"
    std::map<std::string, std::string> parameters;  ///< names in lower case; the first of each counts

    /// Empty where it is not there.
    std::string parameter(const std::string& name) const;
};

/// The challenges of one header, of which there may be several; what cannot be read ends the list.
std::vector<Challenge> parse_challenges(std::string_view header);

}  // namespace imgbuild::fetch
