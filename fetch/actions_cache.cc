// SPDX-License-Identifier: Apache-2.0
#include "fetch/actions_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "fetch/refusal.h"

namespace imgbuild::fetch {
namespace {

constexpr std::string_view answer_name = "answer";
// As the clients of the service's makers cut what they send.
constexpr std::uint64_t most_piece_bytes = 32 << 20;
constexpr std::size_t longest_answer = 64 * 1024;
// By which the service tells a rule from a race.
constexpr std::string_view denied_words = "denied";

bool succeeded(const HttpReply& reply) { return reply.failure.empty() && reply.status >= 200 && reply.status < 300; }

// Names of members come in both spellings that JSON has for them.
std::string string_of(const Json& document, const char* name, const char* other_name) {
    for (const char* member : {name, other_name})
        if (const auto text = optional_string(document, member, answer_name); text && !text->empty()) return *text;
    return {};
}

bool says_ok(const Json& document) { return document.is_object() && document.value("ok", false); }

BodySource piece_of(const BodySource& bytes, std::uint64_t begin) {
    return [&bytes, begin](std::uint64_t offset, std::span<std::byte> buffer) { return bytes(begin + offset, buffer); };
}

Url with_parameters(const Url& url, const std::string& query) {
    return Url::parse(url.text + (url.text.find('?') == std::string::npos ? "?" : "&") + query);
}

// All of one length, as the blob store wants them.
std::string block_id(std::uint64_t number) { return encode_base64(fmt::format("{:08}", number)); }

}  // namespace

struct ActionsCache::Answer {
    HttpReply reply;
    Json document;  ///< null where it is none

    bool is(long status) const { return reply.failure.empty() && reply.status == status; }
};

std::string ActionsCache::subject() const { return "the Actions cache at " + service_.url.host; }

// What the service says of itself, without what it must not know that people read.
std::string ActionsCache::words_of(const Json& document) const {
    if (!document.is_object()) return {};
    std::string words;
    for (const char* member : {"message", "msg"})
        if (const auto found = document.find(member); words.empty() && found != document.end() && found->is_string())
            words = found->get<std::string>();
    for (std::size_t at = 0; !service_.token.empty() && (at = words.find(service_.token)) != std::string::npos;)
        words.replace(at, service_.token.size(), "…");
    return printable(words.substr(0, 200));
}

void ActionsCache::refuse_answer(std::string_view why) const {
    throw Error(ErrorKind::unavailable, fmt::format("{}: {}", subject(), why));
}

void ActionsCache::refuse(const Answer& answer) const {
    const std::string words = words_of(answer.document);
    if (answer.reply.failure.empty() && words.find(denied_words) != std::string::npos)
        throw Error(ErrorKind::denied, fmt::format("{}: {}", subject(), words));
    try {
        refuse_reply(answer.reply, subject());
    } catch (const Error& error) {
        throw Error(error.kind(), error.message(), words.empty() ? "" : "the service says: " + words);
    }
}

ActionsCache::Answer ActionsCache::call(const std::string& method, const Url& url, const Json& body) {
    const std::string text = body.is_null() ? std::string() : write_json(body);
    HttpRequest request{.url = url, .method = method, .body = source_of(text), .body_size = text.size()};
    request.headers = {"Authorization: Bearer " + service_.token};
    request.headers.emplace_back(service_.protocol == ActionsProtocol::rest
                                     ? "Accept: application/json;api-version=6.0-preview.1"
                                     : "Accept: application/json");
    if (!text.empty()) request.headers.emplace_back("Content-Type: application/json");
    for (int next_try = 2;; ++next_try) {
        MemoryWriter content;
        Answer answer{client_.send(request,
                                   [&](const HttpReply&, std::span<const std::byte> bytes) {
                                       if (content.bytes().size() + bytes.size() > longest_answer)
                                           refuse_answer("answers more than anybody asked");
                                       content.write(bytes);
                                   }),
                      Json()};
        if (may_pass(answer.reply) && next_try <= most_tries) {
            wait_before(next_try, answer.reply, request.url.domain());
            continue;
        }
        const std::string& said = answer.reply.is_content() ? content.bytes() : answer.reply.error_body;
        try {
            if (!trim(said).empty()) answer.document = parse_json(said, answer_name);
        } catch (const Error&) {
            if (succeeded(answer.reply)) refuse_answer("its answer is no JSON");
        }
        return answer;
    }
}

Url ActionsCache::rest_url(const std::string& rest) const {
    const std::string& base = service_.url.text;
    return Url::parse(fmt::format("{}{}_apis/artifactcache/{}", base, base.ends_with('/') ? "" : "/", rest));
}

ActionsCache::Answer ActionsCache::call_twirp(const char* method, Json body) {
    const std::string& base = service_.url.text;
    body["version"] = service_.version;
    return call("POST",
                Url::parse(fmt::format("{}{}twirp/github.actions.results.api.v1.CacheService/{}", base,
                                       base.ends_with('/') ? "" : "/", method)),
                body);
}

std::optional<ActionsEntry> ActionsCache::find(const std::string& key, bool by_prefix) {
    const bool is_rest = service_.protocol == ActionsProtocol::rest;
    Answer answer;
    if (is_rest) {
        // The first key is one to find whole, those behind it are beginnings.
        const std::string keys = by_prefix ? key + "," + key : key;
        answer = call("GET", rest_url(fmt::format("cache?keys={}&version={}", percent_encoded(keys), service_.version)),
                      Json());
    } else {
        Json body{{"key", key}, {"restore_keys", Json::array()}};
        if (by_prefix) body["restore_keys"].push_back(key);
        answer = call_twirp("GetCacheEntryDownloadURL", std::move(body));
    }
    if (answer.is(404) || answer.is(204)) return std::nullopt;
    if (!succeeded(answer.reply)) refuse(answer);
    if (!answer.document.is_object() || (!is_rest && !says_ok(answer.document))) {
        if (words_of(answer.document).find(denied_words) != std::string::npos) refuse(answer);
        return std::nullopt;
    }
    const std::string found = is_rest ? string_of(answer.document, "cacheKey", "cache_key")
                                      : string_of(answer.document, "matched_key", "matchedKey");
    const std::string location = is_rest ? string_of(answer.document, "archiveLocation", "archive_location")
                                         : string_of(answer.document, "signed_download_url", "signedDownloadUrl");
    if (location.empty() || !(by_prefix ? found.starts_with(key) : found == key)) return std::nullopt;
    return ActionsEntry{found, follow_redirect(service_.url, location, subject())};
}

Fetched ActionsCache::load(const ActionsEntry& entry, std::uint64_t limit, std::optional<std::uint64_t> size,
                           ByteWriter& out) {
    Wanted wanted;
    wanted.url = entry.location;
    wanted.subject = fmt::format("{}: {}", subject(), printable(entry.key));
    wanted.limit = limit;
    wanted.size = size;
    wanted.pinned = true;  // an entry is written once
    return transfer(client_, wanted, out);
}

bool ActionsCache::save(const std::string& key, std::uint64_t size, const BodySource& bytes) {
    return service_.protocol == ActionsProtocol::rest ? save_by_rest(key, size, bytes)
                                                      : save_by_twirp(key, size, bytes);
}

void ActionsCache::send_piece(HttpRequest request) {
    for (int next_try = 2;; ++next_try) {
        const HttpReply reply = client_.send(request);
        if (succeeded(reply)) return;
        if (!may_pass(reply) || next_try > most_tries) refuse_reply(reply, subject());
        wait_before(next_try, reply, request.url.domain());
    }
}

bool ActionsCache::save_by_rest(const std::string& key, std::uint64_t size, const BodySource& bytes) {
    const Answer created =
        call("POST", rest_url("caches"), Json{{"key", key}, {"version", service_.version}, {"cacheSize", size}});
    if (created.is(409)) return false;
    if (!succeeded(created.reply)) refuse(created);
    const auto id =
        created.document.is_object() ? optional_integer(created.document, "cacheId", answer_name) : std::nullopt;
    if (!id) refuse_answer("makes an entry without a number");
    const Url url = rest_url(fmt::format("caches/{}", *id));
    for (std::uint64_t begin = 0; begin < size; begin += most_piece_bytes) {
        const std::uint64_t count = std::min(most_piece_bytes, size - begin);
        send_piece({.url = url,
                    .headers = {"Authorization: Bearer " + service_.token, "Content-Type: application/octet-stream",
                                fmt::format("Content-Range: bytes {}-{}/*", begin, begin + count - 1)},
                    .method = "PATCH",
                    .body = piece_of(bytes, begin),
                    .body_size = count});
    }
    const Answer committed = call("POST", url, Json{{"size", size}});
    if (!succeeded(committed.reply)) refuse(committed);
    return true;
}

bool ActionsCache::save_by_twirp(const std::string& key, std::uint64_t size, const BodySource& bytes) {
    const Answer created = call_twirp("CreateCacheEntry", Json{{"key", key}});
    if (created.is(409)) return false;
    if (!succeeded(created.reply)) refuse(created);
    if (!says_ok(created.document)) {
        if (words_of(created.document).find(denied_words) != std::string::npos) refuse(created);
        return false;
    }
    const std::string location = string_of(created.document, "signed_upload_url", "signedUploadUrl");
    if (location.empty()) refuse_answer("makes an entry without an address");
    upload_blocks(follow_redirect(service_.url, location, subject()), size, bytes);
    // As text, which is how Protocol Buffers spell numbers of 64 bits in JSON.
    const Answer finished =
        call_twirp("FinalizeCacheEntryUpload", Json{{"key", key}, {"size_bytes", std::to_string(size)}});
    if (!succeeded(finished.reply)) refuse(finished);
    if (!says_ok(finished.document)) refuse_answer("does not take the entry");
    return true;
}

// A signed address is all that the blob store asks for.
void ActionsCache::upload_blocks(const Url& location, std::uint64_t size, const BodySource& bytes) {
    const std::string type = "Content-Type: application/octet-stream";
    if (size <= most_piece_bytes)
        return send_piece({.url = location,
                           .headers = {type, "x-ms-blob-type: BlockBlob"},
                           .method = "PUT",
                           .body = bytes,
                           .body_size = size});
    std::string list = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
    for (std::uint64_t begin = 0, number = 0; begin < size; begin += most_piece_bytes, ++number) {
        const std::string id = block_id(number);
        send_piece({.url = with_parameters(location, "comp=block&blockid=" + percent_encoded(id)),
                    .headers = {type},
                    .method = "PUT",
                    .body = piece_of(bytes, begin),
                    .body_size = std::min(most_piece_bytes, size - begin)});
        list += fmt::format("<Latest>{}</Latest>", id);
    }
    list += "</BlockList>";
    send_piece({.url = with_parameters(location, "comp=blocklist"),
                .headers = {"Content-Type: application/xml"},
                .method = "PUT",
                .body = source_of(list),
                .body_size = list.size()});
}

}  // namespace imgbuild::fetch
