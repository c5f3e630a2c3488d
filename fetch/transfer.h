// SPDX-License-Identifier: Apache-2.0
#pragma once

// One body from one URL, with everything that may come between: redirects, a registry's question for a token,
// failures that pass, and a body that breaks off in the middle.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/stream.h"
#include "fetch/accounts/authorizer.h"
#include "fetch/http.h"

namespace imgbuild::fetch {

inline constexpr int most_redirects = 10;
inline constexpr int most_tries = 3;

struct Wanted {
    Url url;
    std::vector<std::string> headers;   ///< lines, sent to every server on the way
    std::vector<std::string> own;       ///< lines, for the origin of `url` alone
    std::string subject;                ///< how errors name it: "registry HOST: blob NAME@sha256:…"
    std::uint64_t limit = 0;            ///< bytes; one more is an Error
    std::optional<std::uint64_t> size;  ///< bytes, where they are known: fewer are a body that broke off
    bool pinned = false;                ///< named by its digest: a second answer has the same bytes
    bool may_be_unchanged = false;      ///< `headers` hold a condition: a 304 without a body is an answer too
    Authorizer* authorizer = nullptr;   ///< for the origin of `url`; asked to renew once, and again after a break
    std::string authorization;          ///< else value of the header, for the origin of `url` alone; may be empty
    std::string method = "GET";
    std::string body;        ///< of a POST
    int tries = most_tries;  ///< fewer where somebody else can be asked
};

struct Fetched {
    HttpReply reply;  ///< the last one
    Url final_url;
    Digest digest;
    std::uint64_t size = 0;  ///< bytes
    bool unchanged = false;  ///< the server said so and sent nothing
};

/// Fetches `wanted` into `out`. At most ten redirects are followed, never from https to http, nor from elsewhere to an
/// address of this machine or its link; the Authorization goes to the origin that asked for it and to no other. Server
/// errors, 429 and broken connections are tried three times in all, after 0.2 and 0.8 s or as Retry-After says, up to 10 s. Bytes that were written are never written
/// again: the next try continues behind them by Range, or is an Error. Errors: not_found (404, 410), denied (401,
/// 403), unavailable (everything else that a server or the network does), invalid_input (larger than the limit).
Fetched transfer(HttpClient& client, const Wanted& wanted, ByteWriter& out);

/// Where a redirect of `from` to `location` leads. Error{unavailable} that begins with `subject` where it may not.
Url follow_redirect(const Url& from, const std::string& location, const std::string& subject);

/// The offset of "bytes 100-199/200" or "bytes 100-199/*"; empty for anything else.
std::optional<std::uint64_t> content_range_begin(std::string_view header);

}  // namespace imgbuild::fetch
