// SPDX-License-Identifier: Apache-2.0
#pragma once

// One body from one URL, with everything that may come between: redirects, a registry's question for a token,
// failures that pass, and a body that breaks off in the middle.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/stream.h"
#include "fetch/http.h"

namespace imgbuild::fetch {

inline constexpr int most_redirects = 10;
inline constexpr int most_tries = 3;

/// Gets the 401 of a server and gives the value of an Authorization header, or nothing to let the 401 stand.
using Authorizer = std::function<std::string(const HttpReply&)>;

struct Wanted {
    Url url;
    std::vector<std::string> headers;   ///< lines, sent to every server on the way
    std::string subject;                ///< how errors name it: "registry HOST: blob NAME@sha256:…"
    std::uint64_t limit = 0;            ///< bytes; one more is an Error
    std::optional<std::uint64_t> size;  ///< bytes, where they are known: fewer are a body that broke off
    bool pinned = false;                ///< named by its digest: a second answer has the same bytes
    bool may_be_unchanged = false;      ///< `headers` hold a condition: a 304 without a body is an answer too
    Authorizer authorizer;              ///< may be empty; asked once
    std::string authorization;          ///< value of the header, for the origin of `url` alone; may be empty
};

struct Fetched {
    HttpReply reply;  ///< the last one
    Url final_url;
    Digest digest;
    std::uint64_t size = 0;  ///< bytes
    bool unchanged = false;  ///< the server said so and sent nothing
};

/// Fetches `wanted` into `out`. At most ten redirects are followed, never from https to http; the Authorization
/// goes to the origin that asked for it and to no other. Server errors, 429 and broken connections are tried three
/// times in all, after 0.2 and 0.8 s or as Retry-After says, up to 10 s. Bytes that were written are never written
/// again: the next try continues behind them by Range, or is an Error. Errors: not_found (404, 410), denied (401,
/// 403), unavailable (everything else that a server or the network does), invalid_input (larger than the limit).
Fetched transfer(HttpClient& client, const Wanted& wanted, ByteWriter& out);

/// The pause before try `next_try` (2, 3, …) in milliseconds; `retry_after` is the header or empty.
std::int64_t pause_before(int next_try, const std::string& retry_after);

/// The offset of "bytes 100-199/200" or "bytes 100-199/*"; empty for anything else.
std::optional<std::uint64_t> content_range_begin(std::string_view header);

}  // namespace imgbuild::fetch
