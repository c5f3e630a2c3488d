// SPDX-License-Identifier: Apache-2.0
#include "fetch/request.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "fetch/git.h"
#include "fetch/registry.h"

namespace imgbuild::fetch {
namespace {

constexpr std::string_view what = "request";

std::uint64_t byte_count(const Json& request, std::string_view member) {
    std::int64_t value = required_integer(request, member, what);
    if (value < 0) throw Error(ErrorKind::usage, fmt::format("request: {}: negative", member));
    return static_cast<std::uint64_t>(value);
}

// Whatever the caller is, no text gets into a URL that did not pass the grammar of names.
layerstore::Reference reference_of(const Json& request, const std::string& tag_or_digest) {
    std::string domain = required_string(request, "domain", what);
    std::string repository = required_string(request, "repository", what);
    const char* joint = Digest::parse(tag_or_digest) ? "@" : ":";
    auto reference = layerstore::Reference::parse(domain + "/" + repository + joint + tag_or_digest);
    if (reference.domain != domain || reference.repository != repository)
        throw Error(ErrorKind::usage, fmt::format("request: {}/{}: no normalised name of an image", printable(domain),
                                                  printable(repository)));
    return reference;
}

Json describe(const Fetched& fetched) {
    Json status;
    status["contentType"] = printable(fetched.reply.header("content-type").substr(0, 255));
    status["digest"] = fetched.digest.text();
    status["size"] = fetched.size;
    status["finalUrl"] = fetched.final_url.shown();
    return status;
}

// What becomes a line of a request or of git's configuration must not become two.
std::string one_line(const Json& request, std::string_view member) {
    std::string text = optional_string(request, member, what).value_or("");
    for (const char c : text)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
            throw Error(ErrorKind::usage, fmt::format("request: {}: holds control characters", member));
    return text;
}

Json carry_out_http(HttpClient& client, const Json& request, ByteWriter& out) {
    Wanted wanted;
    wanted.url = Url::parse(required_string(request, "url", what));
    wanted.limit = byte_count(request, "maxBytes");
    wanted.subject = "fetch " + wanted.url.shown();
    wanted.authorization = one_line(request, "authorization");
    if (const std::string etag = one_line(request, "etag"); !etag.empty())
        wanted.headers.push_back("If-None-Match: " + etag);
    else if (const auto time = optional_integer(request, "modifiedSince", what))
        wanted.headers.push_back("If-Modified-Since: " + http_date(*time));
    wanted.may_be_unchanged = !wanted.headers.empty();
    Fetched fetched = transfer(client, wanted, out);
    if (fetched.unchanged) return Json{{"unchanged", true}};
    Json status = describe(fetched);
    status["fileName"] = printable(wanted.url.file_name());
    if (auto time = parse_http_date(fetched.reply.header("last-modified"))) status["lastModified"] = *time;
    std::string etag = fetched.reply.header("etag");
    if (!etag.empty()) status["etag"] = printable(etag.substr(0, 255));
    return status;
}

GitAccess git_access_of(const Json& request) {
    GitAccess access;
    access.remote = one_line(request, "remote");
    access.directory = required_string(request, "directory", what);
    access.authorization = one_line(request, "authorization");
    access.ssh_socket = one_line(request, "sshSocket");
    if (access.remote.empty() || access.remote.starts_with('-') || !access.directory.starts_with('/'))
        throw Error(ErrorKind::usage, "request: remote or directory: not what it should be");
    return access;
}

bool says(const Json& request, const char* member) {
    const auto found = request.find(member);
    return found != request.end() && *found == true;
}

Json carry_out_git(const std::string& kind, const Json& request) {
    // No terminal, so that nothing asks there; and a group that whoever started us can end with all it started.
    ::setsid();
    const GitAccess access = git_access_of(request);
    if (kind == "git-resolve") {
        const GitRevision revision = resolve_git(access, one_line(request, "reference"));
        return Json{{"commit", revision.commit}, {"reference", revision.reference}};
    }
    if (kind == "git-work-tree") {
        const WorkTree found = read_work_tree(access);
        return Json{{"time", found.time}, {"dirty", found.is_dirty}};
    }
    const GitRevision revision{required_string(request, "commit", what), one_line(request, "reference")};
    return Json{{"time", check_out_git(access, revision, says(request, "submodules"))}};
}

}  // namespace

Json carry_out(std::string_view text, ByteWriter& out) {
    Json request = parse_json(text, what);
    std::string kind = required_string(request, "kind", what);
    if (kind == "git-resolve" || kind == "git-checkout" || kind == "git-work-tree") return carry_out_git(kind, request);
    HttpClient client;
    if (kind == "http") return carry_out_http(client, request, out);
    if (kind == "manifest") {
        auto reference = reference_of(request, required_string(request, "reference", what));
        return describe(fetch_manifest(client, reference, byte_count(request, "maxBytes"), out));
    }
    if (kind == "blob") {
        std::string digest = Digest::parse_or_throw(required_string(request, "digest", what)).text();
        return describe(fetch_blob(client, reference_of(request, digest), byte_count(request, "size"), out));
    }
    throw Error(ErrorKind::usage, fmt::format("request: kind: \"{}\" is none that is known", printable(kind)));
}

}  // namespace imgbuild::fetch
