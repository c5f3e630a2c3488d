// SPDX-License-Identifier: Apache-2.0
#include "fetch/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace imgbuild::fetch {
namespace {

constexpr std::int64_t longest_pause = 10'000;  // milliseconds

bool is_redirect(long status) noexcept {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool status_may_pass(long status) noexcept {
    return status == 429 || (status >= 500 && status != 501 && status != 505);
}

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

class Transfer {
  public:
    Transfer(HttpClient& client, const Wanted& wanted, ByteWriter& out)
        : client_(client),
          wanted_(wanted),
          hashing_(&out),
          current_(wanted.url),
          authorization_(wanted.authorization) {}

    Fetched run() {
        bool may_ask = static_cast<bool>(wanted_.authorizer);
        for (int next_try = 2;;) {
            HttpReply reply = follow();
            if (is_complete(reply)) return {std::move(reply), current_, hashing_.finish(), hashing_.count()};
            if (is_unchanged(reply)) return {std::move(reply), current_, hashing_.finish(), 0, true};
            bool asks_here = reply.status == 401 && current_.same_origin(wanted_.url);
            if (reply.failure.empty() && asks_here && std::exchange(may_ask, false)) {
                authorization_ = wanted_.authorizer(reply);
                if (!authorization_.empty()) continue;
            }
            bool cut_short = reply.is_content();
            bool may_pass =
                cut_short || (reply.failure.empty() ? status_may_pass(reply.status) : reply.failure_may_pass);
            if (!may_pass || next_try > most_tries) refuse(reply);
            remember_validator(reply);
            std::this_thread::sleep_for(
                std::chrono::milliseconds(pause_before(next_try++, reply.header("retry-after"))));
        }
    }

  private:
    bool is_complete(const HttpReply& reply) {
        if (!reply.is_content()) return false;
        begin_body(reply);  // an empty body has not come by it
        return !wanted_.size || hashing_.count() == *wanted_.size;
    }

    bool is_unchanged(const HttpReply& reply) const {
        constexpr long not_modified = 304;
        return wanted_.may_be_unchanged && reply.failure.empty() && reply.status == not_modified &&
               hashing_.count() == 0;
    }

    HttpReply follow() {
        current_ = wanted_.url;
        for (int redirects = 0;; ++redirects) {
            begun_ = false;
            HttpReply reply =
                client_.get(current_, request_headers(), [&](const HttpReply& head, std::span<const std::byte> bytes) {
                    begin_body(head);
                    take(bytes);
                });
            std::string location = reply.header("location");
            if (!reply.failure.empty() || !is_redirect(reply.status) || location.empty()) return reply;
            if (redirects == most_redirects)
                fail(ErrorKind::unavailable, fmt::format("more than {} redirects", most_redirects));
            Url next = with_context(wanted_.subject, [&] { return current_.resolve(location); });
            if (current_.is_secure() && !next.is_secure())
                fail(ErrorKind::unavailable, fmt::format("a redirect from https to {}", next.shown()));
            current_ = std::move(next);
        }
    }

    std::vector<std::string> request_headers() const {
        std::vector<std::string> headers = wanted_.headers;
        if (!authorization_.empty() && current_.same_origin(wanted_.url))
            headers.push_back("Authorization: " + authorization_);
        if (hashing_.count() > 0) {
            headers.push_back(fmt::format("Range: bytes={}-", hashing_.count()));
            if (!validator_.empty()) headers.push_back("If-Range: " + validator_);
        }
        return headers;
    }

    // An answer that does not go on where the last one broke off must not be written behind it.
    void begin_body(const HttpReply& head) {
        if (std::exchange(begun_, true)) return;
        std::uint64_t written = hashing_.count();
        bool fits = head.status == 200 ? written == 0
                                       : written > 0 && content_range_begin(head.header("content-range")) == written;
        if (!fits && written > 0)
            fail(ErrorKind::unavailable,
                 fmt::format("broke off after {}, and the server does not continue there", human_size(written)));
        if (!fits) fail(ErrorKind::unavailable, "the server sent a part although the whole was asked for");
        auto length = parse_unsigned(head.header("content-length"));
        if (length && *length > wanted_.limit - std::min(written, wanted_.limit)) refuse_size();
    }

    void take(std::span<const std::byte> bytes) {
        if (bytes.size() > wanted_.limit - hashing_.count()) refuse_size();
        hashing_.write(bytes);
    }

    // What is not named by its digest may have changed in between; only a strong validator tells.
    void remember_validator(const HttpReply& reply) {
        if (wanted_.pinned || hashing_.count() == 0 || !validator_.empty()) return;
        validator_ = reply.header("etag");
        if (validator_.empty() || validator_.starts_with("W/"))
            fail(ErrorKind::unavailable, fmt::format("broke off after {}, and the server gives no way to continue",
                                                     human_size(hashing_.count())));
    }

    [[noreturn]] void fail(ErrorKind kind, std::string_view reason, std::string hint = {}) const {
        throw Error(kind, fmt::format("{}: {}{}", wanted_.subject, reason, elsewhere()), std::move(hint));
    }
    std::string elsewhere() const {
        return current_.host == wanted_.url.host ? std::string() : fmt::format(", at {}", printable(current_.host));
    }
    [[noreturn]] void refuse_size() const {
        fail(ErrorKind::invalid_input, wanted_.size ? fmt::format("larger than the {} bytes announced", wanted_.limit)
                                                    : fmt::format("larger than {}", human_size(wanted_.limit)));
    }

    [[noreturn]] void refuse(const HttpReply& reply) const {
        if (!reply.failure.empty()) fail(ErrorKind::unavailable, reply.failure);
        if (reply.is_content())
            fail(ErrorKind::unavailable, fmt::format("{} bytes instead of {}", hashing_.count(), *wanted_.size));
        std::string words = words_of_server(reply);
        std::string hint = words.empty() ? std::string() : fmt::format("the server says: {}", words);
        auto say = [&](ErrorKind kind, std::string_view reason) {
            fail(kind, fmt::format("{} (HTTP {})", reason, reply.status), hint);
        };
        if (reply.status == 404 || reply.status == 410) say(ErrorKind::not_found, "not found");
        if (reply.status == 401) say(ErrorKind::denied, "does not exist or needs a login");
        if (reply.status == 403) say(ErrorKind::denied, "access denied");
        if (reply.status == 429) say(ErrorKind::unavailable, "too many requests");
        if (reply.status >= 500) say(ErrorKind::unavailable, "the server failed");
        say(ErrorKind::unavailable, "the server answers what was not asked");
        throw Error(ErrorKind::internal, "unreachable");
    }

    HttpClient& client_;
    const Wanted& wanted_;
    HashingWriter hashing_;
    Url current_;
    std::string authorization_;
    std::string validator_;
    bool begun_ = false;  ///< the head of this answer was looked at
};

}  // namespace

Fetched transfer(HttpClient& client, const Wanted& wanted, ByteWriter& out) {
    return Transfer(client, wanted, out).run();
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

std::optional<std::uint64_t> content_range_begin(std::string_view header) {
    constexpr std::string_view unit = "bytes ";
    if (!header.starts_with(unit)) return std::nullopt;
    header.remove_prefix(unit.size());
    return parse_unsigned(header.substr(0, std::min(header.find('-'), header.size())));
}

}  // namespace imgbuild::fetch
