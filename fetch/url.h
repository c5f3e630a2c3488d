// SPDX-License-Identifier: Apache-2.0
#pragma once

// URLs as the helper takes them: http and https, without a user's name or password. Fragments are dropped.

#include <string>
#include <string_view>

namespace imgbuild::fetch {

struct Url {
    std::string text;    ///< as it is requested
    std::string scheme;  ///< "http" or "https"
    std::string host;    ///< lower case; an IPv6 address in brackets
    std::string port;    ///< always filled in
    std::string path;    ///< begins with "/"

    /// Error{invalid_input} that never repeats a password, for another scheme, a name or password, or no URL.
    static Url parse(std::string_view text);
    /// Where a Location header of this URL's answer leads. Errors as parse().
    Url resolve(std::string_view location) const;

    /// Scheme, host and path: without the query, which may hold a signature.
    std::string shown() const;
    /// "host", or "host:port" where the port is not the usual one: as names of images have it.
    std::string domain() const;
    bool is_secure() const noexcept { return scheme == "https"; }
    bool same_origin(const Url& other) const noexcept;
    /// The last part of the path, decoded; "__unnamed__" where it is empty or could not be a file's name.
    std::string file_name() const;
};

/// "localhost", 127.0.0.0/8 and [::1]: hosts that are spoken to without TLS and never through a proxy.
bool is_loopback(std::string_view host) noexcept;

/// True for an address of this machine or of its link (169.254.0.0/16, fe80::/10): where the server of a stranger has no
/// business to send us.
bool is_private_address(std::string_view host) noexcept;

/// "https://registry-1.docker.io" for docker.io, "http://localhost:5000" for a loopback registry.
std::string registry_address(std::string_view domain);

/// `text` as part of a query: everything but letters, digits and "-._~" as %XX.
std::string percent_encoded(std::string_view text);

}  // namespace imgbuild::fetch
