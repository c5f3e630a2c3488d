// SPDX-License-Identifier: Apache-2.0
#include "fetch/transfer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "fetch/refusal.h"

namespace imgbuild::fetch {
namespace {

class Transfer {
  public:
    Transfer(HttpClient& client, const Wanted& wanted, ByteWriter& out)
        : client_(client), wanted_(wanted), hashing_(&out), current_(wanted.url) {}

    Fetched run() {
        bool may_ask = wanted_.authorizer != nullptr;
        for (int next_try = 2;;) {
            HttpReply reply = follow();
            if (is_complete(reply)) return {std::move(reply), current_, hashing_.finish(), hashing_.count()};
            if (is_unchanged(reply)) return {std::move(reply), current_, hashing_.finish(), 0, true};
            bool asks_here = reply.status == 401 && current_.same_origin(wanted_.url);
            if (reply.failure.empty() && asks_here && std::exchange(may_ask, false) && wanted_.authorizer->renew(reply))
                continue;
            bool cut_short = reply.is_content();
            if (!(cut_short || may_pass(reply)) || next_try > wanted_.tries) refuse(reply);
            remember_validator(reply);
            may_ask = wanted_.authorizer != nullptr;  // the token may have run out meanwhile
            wait_before(next_try++, reply, current_.domain());
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
            HttpRequest request{.url = current_, .headers = request_headers(), .method = wanted_.method};
            request.body = source_of(wanted_.body);
            request.body_size = wanted_.body.size();
            HttpReply reply = client_.send(request, [&](const HttpReply& head, std::span<const std::byte> bytes) {
                begin_body(head);
                take(bytes);
            });
            std::string location = reply.header("location");
            // What is posted may be secret, and stays where it was sent.
            if (!reply.failure.empty() || !is_redirect(reply.status) || location.empty() || !wanted_.body.empty())
                return reply;
            if (redirects == most_redirects)
                fail(ErrorKind::unavailable, fmt::format("more than {} redirects", most_redirects));
            current_ = follow_redirect(current_, location, wanted_.subject);
        }
    }

    std::vector<std::string> request_headers() const {
        std::vector<std::string> headers = wanted_.headers;
        const std::string value = wanted_.authorizer ? wanted_.authorizer->value() : wanted_.authorization;
        if (current_.same_origin(wanted_.url)) {
            headers.insert(headers.end(), wanted_.own.begin(), wanted_.own.end());
            if (!value.empty()) headers.push_back("Authorization: " + value);
        }
        if (hashing_.count() > 0) {
            headers.push_back(fmt::format("Range: bytes={}-", hashing_.count()));
            if (!validator_.empty()) headers.push_back("If-Range: " + validator_);
        }
        return headers;
    }

    // An answer that begins before where the last one broke off is skipped up to there, if it is the same bytes; one
    // that begins behind must not be written.
    void begin_body(const HttpReply& head) {
        if (std::exchange(begun_, true)) return;
        const std::uint64_t written = hashing_.count();
        if (head.status != 200 && written == 0)
            fail(ErrorKind::unavailable, "the server sent a part although the whole was asked for");
        const std::optional<std::uint64_t> begin =
            head.status == 200 ? 0 : content_range_begin(head.header("content-range"));
        if (!begin || *begin > written || (*begin < written && !wanted_.pinned))
            fail(ErrorKind::unavailable,
                 fmt::format("broke off after {}, and the server does not continue there", human_size(written)));
        skip_ = written - *begin;
        const auto length = parse_unsigned(head.header("content-length"));
        const std::uint64_t allowed = wanted_.limit - std::min(*begin, wanted_.limit);
        if (length && *length > allowed) refuse_size();
    }

    void take(std::span<const std::byte> bytes) {
        const std::size_t skipped = std::min<std::uint64_t>(skip_, bytes.size());
        skip_ -= skipped;
        bytes = bytes.subspan(skipped);
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
        if (reply.is_content())
            fail(ErrorKind::unavailable, fmt::format("{} bytes instead of {}", hashing_.count(), *wanted_.size));
        refuse_reply(reply, wanted_.subject, elsewhere());
    }

    HttpClient& client_;
    const Wanted& wanted_;
    HashingWriter hashing_;
    Url current_;
    std::string validator_;
    std::uint64_t skip_ = 0;  ///< bytes of this answer that an earlier one gave
    bool begun_ = false;      ///< the head of this answer was looked at
};

}  // namespace

Fetched transfer(HttpClient& client, const Wanted& wanted, ByteWriter& out) {
    return Transfer(client, wanted, out).run();
}

Url follow_redirect(const Url& from, const std::string& location, const std::string& subject) {
    Url next = with_context(subject, [&] { return from.resolve(location); });
    const auto refuse_redirect = [&](std::string_view what) {
        throw Error(ErrorKind::unavailable, fmt::format("{}: a redirect {} {}", subject, what, next.shown()));
    };
    if (from.is_secure() && !next.is_secure()) refuse_redirect("from https to");
    if (is_private_address(next.host) && !is_private_address(from.host)) refuse_redirect("from elsewhere to");
    return next;
}

std::optional<std::uint64_t> content_range_begin(std::string_view header) {
    constexpr std::string_view unit = "bytes ";
    if (!header.starts_with(unit)) return std::nullopt;
    header.remove_prefix(unit.size());
    return parse_unsigned(header.substr(0, std::min(header.find('-'), header.size())));
}

}  // namespace imgbuild::fetch
