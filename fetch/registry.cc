// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "layerstore/image/descriptor.h"

namespace imgbuild::fetch {
namespace {

constexpr std::uint64_t largest_token_answer = 1024 * 1024;

std::string accept_header() {
    namespace type = layerstore::media_type;
    return fmt::format("Accept: {}, {}, {}, {}", type::oci_index, type::oci_manifest, type::docker_index,
                       type::docker_manifest);
}

std::string tag_or_digest(const layerstore::Reference& reference) {
    return reference.digest ? reference.digest->text() : reference.tag;
}

std::string subject_of(std::string_view kind, const layerstore::Reference& reference) {
    return fmt::format("registry {}: {} {}{}{}", reference.domain, kind, reference.repository,
                       reference.digest ? "@" : ":", tag_or_digest(reference));
}

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

std::string authorize(HttpClient& client, const layerstore::Reference& reference, const HttpReply& reply) {
    for (const auto& [name, value] : reply.headers) {
        if (name != "www-authenticate") continue;
        auto challenge = BearerChallenge::parse(value);
        if (!challenge) continue;
        std::string subject = fmt::format("registry {}: token for {}", reference.domain, reference.repository);
        Url url = with_context(subject, [&] { return Url::parse(challenge->address()); });
        if (!url.is_secure() && !is_loopback(url.host))
            throw Error(ErrorKind::denied, fmt::format("{}: the registry wants it fetched without TLS", subject));
        MemoryWriter answer;
        transfer(client, {.url = std::move(url), .subject = subject, .limit = largest_token_answer}, answer);
        return "Bearer " + read_token(answer.bytes(), subject);
    }
    return {};
}

void check_digest(const Fetched& fetched, const layerstore::Reference& reference, const std::string& subject) {
    if (reference.digest && fetched.digest != *reference.digest)
        throw Error(ErrorKind::invalid_input,
                    fmt::format("{}: the registry sent other bytes ({})", subject, fetched.digest.text()));
}

Wanted wanted_from(HttpClient& client, std::string_view kind, const layerstore::Reference& reference) {
    Wanted wanted;
    wanted.subject = subject_of(kind, reference);
    wanted.url = Url::parse(fmt::format("{}/v2/{}/{}s/{}", registry_address(reference.domain), reference.repository,
                                        kind, tag_or_digest(reference)));
    wanted.authorizer = [&client, reference](const HttpReply& reply) { return authorize(client, reference, reply); };
    wanted.pinned = reference.digest.has_value();
    return wanted;
}

std::string_view take_word(std::string_view& text, std::string_view ends) {
    std::size_t end = std::min(text.find_first_of(ends), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    return word;
}

// A token or a quoted string; empty when a quote stays open.
std::optional<std::string> take_value(std::string_view& text) {
    if (!text.starts_with('"')) return std::string(take_word(text, ", \t"));
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') {
            text.remove_prefix(i + 1);
            return value;
        }
        if (text[i] == '\\' && ++i == text.size()) break;
        value += text[i];
    }
    return std::nullopt;
}

}  // namespace

std::optional<BearerChallenge> BearerChallenge::parse(std::string_view header) {
    std::string_view left = trim(header);
    if (to_lower(take_word(left, " \t")) != "bearer") return std::nullopt;
    BearerChallenge challenge;
    for (;;) {
        left.remove_prefix(std::min(left.find_first_not_of(", \t"), left.size()));
        if (left.empty()) break;
        std::string name = to_lower(take_word(left, "=, \t"));
        // A word without a value begins the next challenge of the same header.
        if (!left.starts_with('=')) break;
        left.remove_prefix(1);
        auto value = take_value(left);
        if (!value) return std::nullopt;
        if (name == "realm") challenge.realm = *value;
        if (name == "service") challenge.service = *value;
        if (name == "scope") challenge.scope = *value;
    }
    if (challenge.realm.empty()) return std::nullopt;
    return challenge;
}

std::string BearerChallenge::address() const {
    std::string text = realm;
    char joint = realm.find('?') == std::string::npos ? '?' : '&';
    auto add = [&](std::string_view name, const std::string& value) {
        if (value.empty()) return;
        text += fmt::format("{}{}={}", joint, name, percent_encoded(value));
        joint = '&';
    };
    add("service", service);
    add("scope", scope);
    return text;
}

Fetched fetch_manifest(HttpClient& client, const layerstore::Reference& reference, std::uint64_t limit,
                       ByteWriter& out) {
    Wanted wanted = wanted_from(client, "manifest", reference);
    wanted.headers.push_back(accept_header());
    wanted.limit = limit;
    MemoryWriter whole;
    Fetched fetched = transfer(client, wanted, whole);
    check_digest(fetched, reference, wanted.subject);
    out.write(as_bytes(whole.bytes()));
    return fetched;
}

Fetched fetch_blob(HttpClient& client, const layerstore::Reference& reference, std::uint64_t size, ByteWriter& out) {
    Wanted wanted = wanted_from(client, "blob", reference);
    wanted.limit = size;
    wanted.size = size;
    Fetched fetched = transfer(client, wanted, out);
    check_digest(fetched, reference, wanted.subject);
    return fetched;
}

}  // namespace imgbuild::fetch
