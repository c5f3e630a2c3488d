// SPDX-License-Identifier: Apache-2.0
#include "fetch/push.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "base/error.h"
#include "base/stream.h"
#include "base/text.h"
#include "fetch/refusal.h"
#include "fetch/registry.h"
#include "fetch/transfer.h"

namespace imgbuild::fetch {
namespace {

// Up to here a broken upload costs less to begin anew than to go on with.
constexpr std::uint64_t one_request_bytes = 16 << 20;
// What is sent at once to a server that takes no more in one request.
constexpr std::uint64_t piece_bytes = 32 << 20;
constexpr int most_sessions = 4;

// $IMGBUILD_UPLOAD_PIECE: for registries behind something that takes no large requests.
std::uint64_t wanted_piece_bytes() {
    const char* text = std::getenv("IMGBUILD_UPLOAD_PIECE");
    const auto wanted = parse_unsigned(text ? text : "");
    return wanted && *wanted > 0 ? *wanted : UINT64_MAX;
}

bool is_success(const HttpReply& reply) { return reply.failure.empty() && reply.status >= 200 && reply.status < 300; }
bool is_lost(const HttpReply& reply) { return reply.failure.empty() && (reply.status == 404 || reply.status == 410); }

Url with_query(const Url& url, const std::string& query) {
    return Url::parse(url.text + (url.text.find('?') == std::string::npos ? "?" : "&") + query);
}

// What HEAD says.
bool is_there(RegistrySession& session, const RegistryRequest& request) {
    const HttpReply reply = session.send(request);
    if (is_success(reply)) return true;
    // Some registries know no HEAD; the upload tells what else is wrong.
    if (is_lost(reply) || (reply.failure.empty() && reply.status >= 400 && reply.status < 500 && reply.status != 401 &&
                           reply.status != 403 && reply.status != 429))
        return false;
    refuse_reply(reply, request.subject);
}

class Upload {
  public:
    Upload(RegistrySession& session, const BlobUpload& blob)
        : session_(session), blob_(blob), subject_(session.subject("blob", blob.digest.text())) {}

    UploadOutcome run() {
        if (!blob_.mount_from.empty() && mount()) return UploadOutcome::mounted;
        if (!blob_.bytes) {
            if (has_session_) send("DELETE", location_);
            return UploadOutcome::needed;
        }
        for (int sessions = 1; sessions <= most_sessions; ++sessions) {
            if (!has_session_) open();
            if (const bool in_one = blob_.size <= std::min(one_request_bytes, most_piece_);
                in_one ? send_at_once() : send_in_pieces())
                return UploadOutcome::uploaded;
            has_session_ = false;
        }
        throw Error(ErrorKind::unavailable,
                    fmt::format("{}: the registry lost the upload {} times", subject_, most_sessions));
    }

  private:
    HttpReply send(const std::string& method, const Url& url, std::vector<std::string> headers = {},
                   bool once = false) {
        return session_.send({{.url = url, .headers = std::move(headers), .method = method}, subject_, once});
    }

    // A part of the blob as the body of a request that is sent once.
    HttpReply send_bytes(const std::string& method, const Url& url, std::uint64_t offset, std::uint64_t size) {
        RegistryRequest request{{.url = url, .method = method}, subject_, true};
        request.http.headers = {"Content-Type: application/octet-stream"};
        if (method == "PATCH" && (offset > 0 || size < blob_.size))
            request.http.headers.push_back(fmt::format("Content-Range: {}-{}", offset, offset + size - 1));
        request.http.body = [this, offset](std::uint64_t at, std::span<std::byte> buffer) {
            return blob_.bytes(offset + at, buffer);
        };
        request.http.body_size = size;
        return session_.send(request);
    }

    // A registry that does not know mounting, or that we may not read the other repository of, opens an upload or
    // refuses: both are no failure.
    bool mount() {
        const std::string query =
            fmt::format("mount={}&from={}", percent_encoded(blob_.digest.text()), percent_encoded(blob_.mount_from));
        const HttpReply reply = send("POST", with_query(session_.url("blobs/uploads/"), query));
        if (is_success(reply) && reply.status == 202) take_location(session_.url("blobs/uploads/"), reply);
        return is_success(reply) && reply.status == 201;
    }

    void open() {
        const Url url = session_.url("blobs/uploads/");
        const HttpReply reply = send("POST", url);
        if (!is_success(reply)) refuse_reply(reply, subject_);
        take_location(url, reply);
    }

    void take_location(const Url& from, const HttpReply& reply) {
        const std::string location = reply.header("location");
        if (location.empty() && !has_session_)
            throw Error(ErrorKind::unavailable,
                        fmt::format("{}: the registry does not say where the upload goes", subject_));
        if (!location.empty()) location_ = follow_redirect(from, location, subject_);
        has_session_ = true;
        if (const auto least = parse_unsigned(reply.header("oci-chunk-min-length"))) least_piece_ = *least;
    }

    Url final_url() const { return with_query(location_, "digest=" + percent_encoded(blob_.digest.text())); }

    // What was refused or broke off: a new token, a pause, or an Error. Bounded by the tries.
    void get_over(const HttpReply& reply) {
        if (reply.failure.empty() && reply.status == 401 && renewals_++ < most_tries &&
            session_.authorizer().renew(reply))
            return;
        const bool is_offset = reply.failure.empty() && reply.status == 416;
        if (!(is_offset || is_lost(reply) || may_pass(reply)) || next_try_ > most_tries) refuse(reply);
        wait_before(next_try_++, reply, session_.endpoint().reference.domain);
    }

    [[noreturn]] void refuse(const HttpReply& reply) const {
        if (reply.status == 400) check_bytes();
        refuse_reply(reply, subject_);
    }

    // Whose fault is it that the digest is another one?
    void check_bytes() const {
        HashingWriter hash;
        StreamBlock block;
        for (std::uint64_t offset = 0; offset < blob_.size;) {
            const std::size_t count = blob_.bytes(offset, block.bytes());
            if (count == 0) break;
            hash.write(block.bytes().first(count));
            offset += count;
        }
        const Digest found = hash.finish();
        if (found != blob_.digest)
            throw Error(ErrorKind::corrupt,
                        fmt::format("{}: its content is {} and not {}", subject_, found.text(), blob_.digest.text()));
    }

    // False where the upload has to begin anew.
    bool send_at_once() {
        const HttpReply reply = send_bytes("PUT", final_url(), 0, blob_.size);
        if (is_success(reply)) return true;
        const bool may_be_there = !reply.failure.empty() || reply.status >= 500;
        if (may_be_there && has_blob(session_, blob_.digest)) return true;
        get_over(reply);
        return false;
    }

    bool send_in_pieces() {
        for (std::uint64_t offset = 0; offset < blob_.size;) {
            const std::uint64_t size = std::min(most_piece_, blob_.size - offset);
            const HttpReply reply = send_bytes("PATCH", location_, offset, size);
            if (is_success(reply)) {
                take_location(location_, reply);
                const std::uint64_t end = uploaded_bytes(reply.header("range")).value_or(offset + size);
                if (end <= offset) throw Error(ErrorKind::unavailable, subject_ + ": the registry takes no bytes");
                offset = std::min(end, blob_.size);
                next_try_ = 2;
                continue;
            }
            if (reply.failure.empty() && reply.status == 413 && most_piece_ > piece_bytes) {
                most_piece_ = std::max(piece_bytes, least_piece_);
                return false;
            }
            if (reply.failure.empty() && (reply.status == 405 || reply.status == 501)) return send_at_once();
            get_over(reply);
            const auto reached = ask_offset(reply);
            if (!reached) return false;
            if (*reached > offset) next_try_ = 2;
            offset = *reached;
        }
        return close();
    }

    // How far the upload came; empty where it is lost.
    std::optional<std::uint64_t> ask_offset(const HttpReply& refusal) {
        if (is_lost(refusal)) return std::nullopt;
        const HttpReply reply = send("GET", location_);
        if (!is_success(reply)) return std::nullopt;
        take_location(location_, reply);
        const auto offset = uploaded_bytes(reply.header("range"));
        return offset && *offset <= blob_.size ? offset : std::nullopt;
    }

    bool close() {
        const HttpReply reply = send("PUT", final_url(), {"Content-Type: application/octet-stream"});
        // An answer that got lost is followed by the question about an upload that is over.
        if (is_success(reply) || (reply.status != 400 && has_blob(session_, blob_.digest))) return true;
        get_over(reply);
        return false;
    }

    RegistrySession& session_;
    const BlobUpload& blob_;
    std::string subject_;
    Url location_;
    bool has_session_ = false;
    std::uint64_t most_piece_ = wanted_piece_bytes();
    std::uint64_t least_piece_ = 0;
    int next_try_ = 2;
    int renewals_ = 0;
};

HttpReply put_manifest(RegistrySession& session, const ManifestUpload& manifest, const std::string& name) {
    RegistryRequest request{{.url = session.url("manifests/" + name), .method = "PUT"},
                            session.subject("manifest", name)};
    request.http.headers = {"Content-Type: " + manifest.media_type};
    request.http.body = source_of(manifest.bytes);
    request.http.body_size = manifest.bytes.size();
    HttpReply reply = session.send(request);
    if (!is_success(reply)) refuse_reply(reply, request.subject);
    const std::string stored = reply.header("docker-content-digest");
    if (!stored.empty() && stored != manifest.digest.text())
        throw Error(ErrorKind::invalid_input,
                    fmt::format("{}: the registry says that it got {} instead of {}", request.subject,
                                printable(stored.substr(0, 100)), manifest.digest.text()));
    return reply;
}

}  // namespace

bool has_blob(RegistrySession& session, const Digest& digest) {
    return is_there(session, {{.url = session.url("blobs/" + digest.text()), .method = "HEAD"},
                              session.subject("blob", digest.text())});
}

bool has_manifest(RegistrySession& session, const Digest& digest) {
    RegistryRequest request{{.url = session.url("manifests/" + digest.text()), .method = "HEAD"},
                            session.subject("manifest", digest.text())};
    request.http.headers = {accept_manifests()};
    return is_there(session, request);
}

UploadOutcome upload_blob(RegistrySession& session, const BlobUpload& blob) { return Upload(session, blob).run(); }

bool push_manifest(RegistrySession& session, const ManifestUpload& manifest) {
    const HttpReply reply = put_manifest(session, manifest, manifest.digest.text());
    const bool lists_referrers = !reply.header("oci-subject").empty();
    for (const std::string& tag : manifest.tags) put_manifest(session, manifest, tag);
    return lists_referrers;
}

ReplaceOutcome replace_manifest(RegistrySession& session, const ManifestUpload& manifest,
                                const std::optional<Digest>& expected) {
    put_manifest(session, manifest, manifest.digest.text());
    const std::string& tag = manifest.tags.at(0);
    const auto begun = std::chrono::steady_clock::now();
    RegistryRequest look{{.url = session.url("manifests/" + tag), .method = "HEAD"}, session.subject("manifest", tag)};
    look.http.headers = {accept_manifests()};
    const HttpReply reply = session.send(look);
    if (!is_success(reply) && !is_lost(reply)) refuse_reply(reply, look.subject);
    const std::string found = is_lost(reply) ? std::string() : reply.header("docker-content-digest");
    // A registry that does not say the digest is believed to have what was read from it a moment ago.
    if (is_lost(reply) ? expected.has_value() : !expected || (!found.empty() && found != expected->text())) return {};
    put_manifest(session, manifest, tag);
    const auto window = std::chrono::steady_clock::now() - begun;
    return {true, std::chrono::duration_cast<std::chrono::milliseconds>(window).count()};
}

std::optional<std::uint64_t> uploaded_bytes(std::string_view range) {
    if (range.starts_with("bytes=")) range.remove_prefix(6);
    const std::size_t dash = range.find('-');
    if (dash == std::string_view::npos || parse_unsigned(range.substr(0, dash)) != 0) return std::nullopt;
    const auto last = parse_unsigned(range.substr(dash + 1));
    if (!last || *last == UINT64_MAX) return std::nullopt;
    return *last == 0 ? 0 : *last + 1;
}

}  // namespace imgbuild::fetch
