// SPDX-License-Identifier: Apache-2.0
#include "fetch/accounts/authorizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/stream.h"
#include "base/text.h"
#include "fetch/accounts/token_jar.h"
#include "fetch/transfer.h"

namespace imgbuild::fetch {
namespace {

constexpr std::uint64_t largest_token_answer = 64 * 1024;

// The token itself is never part of a message.
std::string read_token(const std::string& answer, const std::string& subject) {
    Json document = parse_json(answer, subject);
    for (const char* member : {"token", "access_token"}) {
        auto token = document.is_object() ? optional_string(document, member, subject) : std::nullopt;
        if (!token || token->empty()) continue;
        // It becomes part of a header.
        bool clean = std::ranges::all_of(*token, [](char c) { return c > ' ' && c < '\x7f'; });
        if (clean) return *token;
    }
    throw Error(ErrorKind::unavailable, fmt::format("{}: the answer holds no token", subject));
}

bool is_address(std::string_view host) {
    return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// The part of a name that one organisation owns, roughly: two labels, or three below the likes of "co.uk".
std::string_view owned_domain(std::string_view host) {
    const auto last_labels = [&](int count) {
        std::size_t begin = host.size();
        for (int i = 0; i < count && begin != std::string_view::npos; ++i)
            begin = begin == 0 ? std::string_view::npos : host.rfind('.', begin - 1);
        return begin == std::string_view::npos ? host : host.substr(begin + 1);
    };
    const std::string_view two = last_labels(2);
    const std::size_t dot = two.find('.');
    const bool is_short = dot != std::string_view::npos && dot <= 3 && two.size() - dot - 1 <= 2;
    return is_short ? last_labels(3) : two;
}

}  // namespace

std::string Credential::basic() const {
    return user.empty() ? std::string() : "Basic " + encode_base64(user + ":" + password);
}

bool is_related_host(std::string_view host, std::string_view realm) {
    if (host == realm) return true;
    if (is_address(host) || is_address(realm)) return false;
    const std::string_view owned = owned_domain(host);
    return owned.find('.') != std::string_view::npos && owned == owned_domain(realm);
}

std::string token_address(const Challenge& challenge, const std::vector<std::string>& scopes,
                          const std::string& account) {
    std::string text = challenge.parameter("realm");
    char joint = text.find('?') == std::string::npos ? '?' : '&';
    auto add = [&](std::string_view name, const std::string& value) {
        if (value.empty()) return;
        text += fmt::format("{}{}={}", joint, name, percent_encoded(value));
        joint = '&';
    };
    add("service", challenge.parameter("service"));
    for (const std::string& scope : scopes) add("scope", scope);
    add("account", account);
    return text;
}

std::string RegistryAuthorizer::subject() const {
    return access_.repository.empty() ? fmt::format("registry {}: token", access_.domain)
                                      : fmt::format("registry {}: token for {}", access_.domain, access_.repository);
}

RegistryAuthorizer::RegistryAuthorizer(HttpClient& client, RegistryAccess access)
    : client_(client), access_(std::move(access)), value_(recall_token(access_.jar_key)) {}

const Credential& RegistryAuthorizer::credential() {
    if (!credential_) credential_ = access_.find_credential ? access_.find_credential() : Credential();
    return *credential_;
}

std::vector<std::string> RegistryAuthorizer::scopes_for(const Challenge& challenge) const {
    if (!access_.scopes.empty()) return access_.scopes;
    const std::string scope = challenge.parameter("scope");
    return scope.empty() ? std::vector<std::string>{} : std::vector{scope};
}

void RegistryAuthorizer::check_realm(const Url& realm, const std::string& what) {
    if (!realm.is_secure() && (access_.registry.is_secure() || !is_loopback(realm.host)) &&
        !(realm.same_origin(access_.registry)))
        throw Error(ErrorKind::denied, fmt::format("{}: the registry wants it fetched without TLS", what));
    if (is_private_address(realm.host) && !is_private_address(access_.registry.host))
        throw Error(ErrorKind::denied,
                    fmt::format("{}: the registry wants it fetched from {}", what, printable(realm.host)));
    if (credential().is_empty() || is_related_host(access_.registry.host, realm.host)) return;
    const char* trusted = std::getenv("IMGBUILD_TRUSTED_REALMS");
    for (const std::string_view host : split(trusted ? trusted : "", ','))
        if (to_lower(trim(host)) == realm.host) return;
    throw Error(ErrorKind::denied,
                fmt::format("{}: the registry sends those who log in to another host, {}", what, printable(realm.host)),
                "if that is right, set IMGBUILD_TRUSTED_REALMS to that host's name");
}

std::string RegistryAuthorizer::fetch_token(const Challenge& challenge) {
    Wanted wanted{.url = Url::parse(token_address(challenge, scopes_for(challenge), credential().user)),
                  .subject = subject(),
                  .limit = largest_token_answer};
    wanted.authorization = credential().basic();
    MemoryWriter answer;
    transfer(client_, wanted, answer);
    return read_token(answer.bytes(), subject());
}

std::string RegistryAuthorizer::exchange_identity(const Challenge& challenge, const Url& realm) {
    std::string form =
        fmt::format("grant_type=refresh_token&client_id=imgbuild&service={}&scope={}&refresh_token={}",
                    percent_encoded(challenge.parameter("service")), percent_encoded(join(scopes_for(challenge), " ")),
                    percent_encoded(credential().identity_token));
    Wanted wanted{.url = realm, .subject = subject(), .limit = largest_token_answer};
    wanted.method = "POST";
    wanted.headers.emplace_back("Content-Type: application/x-www-form-urlencoded");
    wanted.body = std::move(form);
    MemoryWriter answer;
    transfer(client_, wanted, answer);
    return read_token(answer.bytes(), subject());
}

std::string RegistryAuthorizer::token_for(const Challenge& challenge) {
    const std::string what = subject();
    const Url realm = with_context(what, [&] { return Url::parse(challenge.parameter("realm")); });
    check_realm(realm, what);
    return credential().identity_token.empty() ? fetch_token(challenge) : exchange_identity(challenge, realm);
}

bool RegistryAuthorizer::renew(const HttpReply& refusal) {
    std::vector<Challenge> challenges;
    for (const auto& [name, value] : refusal.headers)
        if (name == "www-authenticate")
            for (Challenge& challenge : parse_challenges(value)) challenges.push_back(std::move(challenge));
    const auto find = [&](std::string_view scheme) {
        return std::ranges::find_if(challenges, [&](const Challenge& one) { return one.scheme == scheme; });
    };
    std::string found;
    if (const auto bearer = find("bearer"); bearer != challenges.end() && !bearer->parameter("realm").empty()) {
        const std::string& given = credential().registry_token;
        found = "Bearer " + (given.empty() ? token_for(*bearer) : given);
        if (!given.empty() && found == value_) return false;
        remember_token(access_.jar_key, found);
    } else if (find("basic") != challenges.end()) {
        found = credential().basic();
        if (found == value_) return false;
    }
    if (found.empty()) return false;
    value_ = std::move(found);
    return true;
}

}  // namespace imgbuild::fetch
