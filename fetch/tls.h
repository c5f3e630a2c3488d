// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whom a TLS connection trusts, and who we are to the other side.

#include <string>
#include <vector>

namespace imgbuild::fetch {

struct TlsSettings {
    std::vector<std::string> authorities;  ///< PEM files, besides those of the system
    std::string certificate;               ///< PEM file that says who we are; may be empty
    std::string key;                       ///< of the certificate; empty: it stands in the same file
    bool is_unverified = false;            ///< any certificate will do

    bool is_empty() const noexcept { return authorities.empty() && certificate.empty() && !is_unverified; }
};

}  // namespace imgbuild::fetch
