// SPDX-License-Identifier: Apache-2.0
#include "fetch/refusal.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace imgbuild::fetch {
namespace {

constexpr std::int64_t longest_pause = 10'000;  // milliseconds

// What a registry says of its error (distribution-spec, "Error Codes"), for people; empty when it says nothing.
std::string words_of_server(const HttpReply& reply) {
    try {
        Json document = parse_json(reply.error_body, "error");
        const Json* errors = document.is_object() ? optional_array(document, "errors", "error") : nullptr;
        if (errors == nullptr || errors->empty()) return {};
        return printable(optional_string(errors->front(), "message", "error").value_or("").substr(0, 200));
    } catch (const Error&) {
        return {};
    }
}

std::string hint_about_tls(const HttpReply& reply) {
    if (reply.lacks_trust)
        return "the certificate of whoever vouches for the server belongs into SSL_CERT_FILE, or for a registry into "
               "~/.config/containers/certs.d/HOST:PORT/ca.crt";
    if (reply.lacks_tls)
        return "TLS fails: a registry without it has to be called insecure in registries.conf or daemon.json, and one "
               "that wants to know us needs a client's certificate in certs.d (docs/registry.md)";
    return {};
}

std::string hint_of_answer(const HttpReply& reply) {
    // What Go's servers say to whoever speaks plainly.
    if (reply.status == 400 && reply.error_body.find("HTTP request to an HTTPS server") != std::string::npos)
        return "the server speaks TLS: for a registry on loopback, put the certificate of whoever vouches for it into "
               "~/.config/containers/certs.d/HOST:PORT/ca.crt";
    const std::string words = words_of_server(reply);
    return words.empty() ? std::string() : fmt::format("the server says: {}", words);
}

// "HTTP 503: overloaded", or that a body was cut short.
std::string describe_status(const HttpReply& reply) {
    if (reply.is_content()) return "the answer broke off";
    const std::string words = words_of_server(reply);
    return fmt::format("HTTP {}{}{}", reply.status, words.empty() ? "" : ": ", words);
}

std::function<void(const std::string&)>& note_listener() {
    static std::function<void(const std::string&)> listener;
    return listener;
}

}  // namespace

double patience() {
    const char* text = std::getenv("IMGBUILD_PATIENCE");
    const double factor = text ? std::strtod(text, nullptr) : 1.0;
    return factor > 0 && factor <= 100 ? factor : 1.0;
}

bool is_redirect(long status) noexcept {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool may_pass(const HttpReply& reply) noexcept {
    if (!reply.failure.empty()) return reply.failure_may_pass;
    return reply.status == 429 || (reply.status >= 500 && reply.status != 501 && reply.status != 505);
}

void refuse_reply(const HttpReply& reply, const std::string& subject, const std::string& elsewhere) {
    if (!reply.failure.empty())
        throw Error(ErrorKind::unavailable, fmt::format("{}: {}{}", subject, reply.failure, elsewhere),
                    hint_about_tls(reply));
    const std::string hint = hint_of_answer(reply);
    auto say = [&](ErrorKind kind, std::string_view reason) {
        throw Error(kind, fmt::format("{}: {} (HTTP {}){}", subject, reason, reply.status, elsewhere), hint);
    };
    if (reply.status == 404 || reply.status == 410) say(ErrorKind::not_found, "not found");
    if (reply.status == 401) say(ErrorKind::denied, "does not exist or needs a login");
    if (reply.status == 403) say(ErrorKind::denied, "access denied");
    if (reply.status == 413) say(ErrorKind::unavailable, "too large for the server");
    if (reply.status == 429) say(ErrorKind::unavailable, "too many requests");
    if (reply.status >= 500) say(ErrorKind::unavailable, "the server failed");
    if (reply.status >= 400) say(ErrorKind::unavailable, "the server refuses");
    say(ErrorKind::unavailable, "the server answers what was not asked");
    throw Error(ErrorKind::internal, "unreachable");
}

std::int64_t pause_before(int next_try, const std::string& retry_after) {
    if (auto seconds = parse_unsigned(retry_after))
        return static_cast<std::int64_t>(std::min<std::uint64_t>(*seconds, longest_pause / 1000)) * 1000;
    if (auto date = parse_http_date(retry_after)) {
        auto now = std::chrono::system_clock::now().time_since_epoch();
        std::int64_t wait = *date * 1000 - std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
        return std::clamp<std::int64_t>(wait, 0, longest_pause);
    }
    return next_try <= 2 ? 200 : 800;
}

void wait_before(int next_try, const HttpReply& reply, const std::string& host) {
    const auto pause = static_cast<double>(pause_before(next_try, reply.header("retry-after")));
    const std::string reason = reply.failure.empty() ? describe_status(reply) : reply.failure;
    tell_note(fmt::format("retrying {} in {:.1f} s: {}", printable(host), pause / 1000, printable(reason)));
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(pause * patience()));
}

void listen_to_notes(std::function<void(const std::string&)> listener) { note_listener() = std::move(listener); }

void tell_note(const std::string& note) {
    if (note_listener()) note_listener()(note);
}

}  // namespace imgbuild::fetch
