// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/access.h"

#include <fmt/format.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

struct Origin {
    std::string host;
    bool is_private = false;  ///< nobody on the way can listen
};

Origin origin_of(std::string_view url) {
    Origin origin;
    origin.is_private = url.starts_with("https://");
    std::string_view rest = url.substr(url.find("://") + 3);
    rest = rest.substr(0, rest.find_first_of("/?#"));
    if (!rest.starts_with('[')) rest = rest.substr(0, rest.find(':'));
    origin.host = to_lower(rest);
    if (origin.host == "localhost" || origin.host == "127.0.0.1") origin.is_private = true;
    return origin;
}

std::optional<std::string> find(const RemoteAccess& access, const std::string& id) {
    std::optional<std::string> secret = access.secret ? access.secret(id) : std::nullopt;
    if (secret) *secret = std::string(trim(*secret));
    return secret;
}

void require_private(const Origin& origin, const std::string& id) {
    if (!origin.is_private)
        throw Error(ErrorKind::denied,
                    fmt::format("secret {}: would go to {} in the clear", printable(id), origin.host), "use https");
}

}  // namespace

std::string http_authorization(const RemoteAccess& access, const std::string& url) {
    const Origin origin = origin_of(url);
    for (const auto& [prefix, scheme] :
         {std::pair("HTTP_AUTH_HEADER_", ""), std::pair("HTTP_AUTH_TOKEN_", "Bearer ")}) {
        const std::string id = prefix + origin.host;
        const std::optional<std::string> secret = find(access, id);
        if (!secret) continue;
        require_private(origin, id);
        return scheme + *secret;
    }
    return {};
}

std::string git_authorization(const RemoteAccess& access, const std::string& remote) {
    if (!remote.starts_with("http://") && !remote.starts_with("https://")) return {};
    const Origin origin = origin_of(remote);
    for (const std::string& suffix : {"." + origin.host, std::string()}) {
        for (const bool is_token : {false, true}) {
            const std::string id = (is_token ? "GIT_AUTH_TOKEN" : "GIT_AUTH_HEADER") + suffix;
            const std::optional<std::string> secret = find(access, id);
            if (!secret) continue;
            if (suffix.empty() && !origin.is_private) return {};
            require_private(origin, id);
            return is_token ? "Basic " + encode_base64("x-access-token:" + *secret) : *secret;
        }
    }
    return {};
}

}  // namespace imgbuild::builder
