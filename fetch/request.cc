// SPDX-License-Identifier: Apache-2.0
#include "fetch/request.h"

#include <fmt/format.h>
#include <unistd.h>

#include <optional>

#include "base/error.h"
#include "base/helper_status.h"
#include "base/json.h"
#include "base/text.h"
#include "fetch/accounts/credential_search.h"
#include "fetch/accounts/login.h"
#include "fetch/actions_request.h"
#include "fetch/engine_request.h"
#include "fetch/explain.h"
#include "fetch/git.h"
#include "fetch/push.h"
#include "fetch/referrers.h"
#include "fetch/registries/route.h"
#include "fetch/registries/short_names.h"
#include "fetch/registry.h"
#include "fetch/request_fields.h"
#include "layerstore/image/descriptor.h"
#include "layerstore/image/image.h"

namespace imgbuild::fetch {
namespace {

constexpr std::string_view what = "request";

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

// The repository alone; the tag is only there because a reference has one.
layerstore::Reference repository_of(const Json& request) { return reference_of(request, "latest"); }

Digest digest_of(const Json& request) { return Digest::parse_or_throw(required_string(request, "digest", what)); }

std::vector<std::string> strings_of(const Json& request, const char* member) {
    std::vector<std::string> strings;
    const Json* list = optional_array(request, member, what);
    for (const Json& one : list ? *list : Json::array()) {
        if (!one.is_string()) throw Error(ErrorKind::usage, fmt::format("request: {}: not all strings", member));
        strings.push_back(one.get<std::string>());
    }
    return strings;
}

Json carry_out_missing(HttpClient& client, const Json& request, bool (*has)(RegistrySession&, const Digest&)) {
    const auto repository = repository_of(request);
    RegistrySession session = session_to_push(client, repository);
    Json missing = Json::array();
    for (const std::string& text : strings_of(request, "digests"))
        if (!has(session, Digest::parse_or_throw(text))) missing.push_back(text);
    return Json{{"missing", std::move(missing)}};
}

Json carry_out_push_blob(HttpClient& client, const Json& request) {
    const auto repository = repository_of(request);
    std::vector<std::string> scopes;
    BlobUpload blob{.digest = digest_of(request), .size = byte_count(request, "size")};
    if (const auto from = optional_string(request, "mountFrom", what)) {
        const auto other = layerstore::Reference::parse(repository.domain + "/" + *from);
        if (other.repository != *from || other.digest)
            throw Error(ErrorKind::usage, "request: mountFrom: no name of a repository");
        blob.mount_from = other.repository;
        scopes.push_back(fmt::format("repository:{}:pull", other.repository));
    }
    if (says(request, "hasData")) blob.bytes = read_data;
    RegistrySession session = session_to_push(client, repository, std::move(scopes));
    switch (upload_blob(session, blob)) {
        case UploadOutcome::mounted: return Json{{"outcome", "mounted"}};
        case UploadOutcome::uploaded: return Json{{"outcome", "uploaded"}};
        case UploadOutcome::needed: return Json{{"outcome", "needed"}};
    }
    throw Error(ErrorKind::internal, "unreachable");
}

// The file on descriptor 4 as a whole.
std::string read_manifest_data() {
    std::string bytes(layerstore::max_manifest_bytes, '\0');
    std::size_t size = 0;
    while (const std::size_t count = read_data(size, std::as_writable_bytes(std::span(bytes).subspan(size))))
        size += count;
    bytes.resize(size);
    return bytes;
}

// `bytes` must outlive it.
ManifestUpload manifest_upload(const Json& request, const std::string& bytes) {
    ManifestUpload manifest{.digest = digest_of(request), .media_type = one_line(request, "mediaType"), .bytes = bytes};
    if (Sha256::of(bytes) != manifest.digest)
        throw Error(ErrorKind::corrupt, fmt::format("push manifest {}: its content is {}", manifest.digest.text(),
                                                    Sha256::of(bytes).text()));
    for (const std::string& tag : strings_of(request, "tags")) manifest.tags.push_back(reference_of(request, tag).tag);
    return manifest;
}

Json carry_out_push_manifest(HttpClient& client, const Json& request) {
    const auto repository = repository_of(request);
    const std::string bytes = read_manifest_data();
    const ManifestUpload manifest = manifest_upload(request, bytes);
    RegistrySession session = session_to_push(client, repository);
    return Json{{"listsReferrers", push_manifest(session, manifest)}};
}

Json carry_out_replace_manifest(HttpClient& client, const Json& request) {
    const auto repository = repository_of(request);
    const std::string bytes = read_manifest_data();
    const ManifestUpload manifest = manifest_upload(request, bytes);
    if (manifest.tags.size() != 1) throw Error(ErrorKind::usage, "request: tags: not one");
    std::optional<Digest> expected;
    if (const auto text = optional_string(request, "expected", what)) expected = Digest::parse_or_throw(*text);
    RegistrySession session = session_to_push(client, repository);
    const ReplaceOutcome outcome = replace_manifest(session, manifest, expected);
    return Json{{"replaced", outcome.replaced}, {"milliseconds", outcome.window_milliseconds}};
}

Json carry_out_referrers(HttpClient& client, const Json& request, ByteWriter& out) {
    const Referrers found =
        fetch_referrers(client, repository_of(request), digest_of(request), says(request, "tagOnly"));
    out.write(as_bytes(found.index));
    return Json{{"source", found.source}};
}

std::string domain_of(const Json& request) {
    const std::string domain = required_string(request, "domain", what);
    if (layerstore::Reference::parse(domain + "/a").domain != domain)
        throw Error(ErrorKind::usage, fmt::format("request: {}: no name of a registry", printable(domain)));
    return domain;
}

Json carry_out_login(HttpClient& client, const Json& request) {
    const std::string domain = domain_of(request);
    const Credential credential{one_line(request, "user"), one_line(request, "password"), {}, {}};
    if (credential.user.empty() || credential.user.find(':') != std::string::npos)
        throw Error(ErrorKind::usage, "login: the name of a user is empty or holds a colon");
    // What may be configured for some repositories only is no matter of the registry.
    const layerstore::Reference registry{.domain = domain, .repository = {}, .tag = {}, .digest = {}};
    check_login(client, find_route(Surroundings::of_process(), registry, Purpose::push).endpoints.front(), credential);
    return Json{{"place", save_credential(Surroundings::of_process(), domain, credential)}};
}

Json carry_out_logout(const Json& request) {
    const Surroundings surroundings = Surroundings::of_process();
    const std::string domain = domain_of(request);
    Json status{{"places", remove_credentials(surroundings, domain)}};
    const CredentialSearch left = search_credential(surroundings, domain, "");
    if (!left.credential.is_empty()) status["left"] = left.steps.back().place;
    return status;
}

Json json_of(const ConfigurationSteps& steps) {
    Json list = Json::array();
    for (const ConfigurationStep& step : steps)
        list.push_back({{"place", printable(step.place)}, {"outcome", printable(step.outcome)}});
    return list;
}

Json carry_out_explain(const Json& request) {
    const auto reference = reference_of(request, required_string(request, "reference", what));
    std::optional<HttpClient> client;
    if (!says(request, "offline")) client.emplace();
    const Explanation found = explain(client ? &*client : nullptr, reference);
    Json status{{"configuration", json_of(found.configuration)}, {"endpoints", Json::array()}};
    for (const ExplainedEndpoint& one : found.endpoints)
        status["endpoints"].push_back({{"place", printable(one.place)},
                                       {"reason", printable(one.reason)},
                                       {"answer", printable(one.answer)},
                                       {"credentials", json_of(one.credentials)}});
    return status;
}

Json carry_out_short_name(const Json& request) {
    const ShortName found = expand_short_name(Surroundings::of_process(), one_line(request, "name"));
    return Json{{"names", found.names}, {"reason", printable(found.reason)}};
}

Turn turn_of(const Json& request) {
    return {optional_string(request, "first", what).value_or(""),
            static_cast<std::size_t>(optional_integer(request, "skip", what).value_or(0))};
}

Json describe(const FetchedFrom& answer) {
    Json status = describe(answer.fetched);
    status["base"] = answer.base;
    return status;
}

Json carry_out_manifest(HttpClient& client, const Json& request, ByteWriter& out) {
    const auto reference = reference_of(request, required_string(request, "reference", what));
    const std::uint64_t limit = byte_count(request, "maxBytes");
    if (!says(request, "mayBeMissing"))
        return describe(fetch_manifest(client, reference, limit, turn_of(request), out));
    const std::optional<FetchedFrom> found = find_manifest(client, reference, says(request, "toReplace"), limit, out);
    return found ? describe(*found) : Json{{"missing", true}};
}

Json carry_out_blob(HttpClient& client, const Json& request, ByteWriter& out) {
    const auto reference = reference_of(request, digest_of(request).text());
    try {
        return describe(fetch_blob(client, reference, byte_count(request, "size"), turn_of(request), out));
    } catch (const AskNext& next) {
        Json status = failure_status(next);
        status["skip"] = next.skip();
        return status;
    }
}

}  // namespace

Json carry_out(std::string_view text, ByteWriter& out) {
    Json request = parse_json(text, what);
    std::string kind = required_string(request, "kind", what);
    if (kind == "git-resolve" || kind == "git-checkout" || kind == "git-work-tree") return carry_out_git(kind, request);
    if (kind == "explain") return carry_out_explain(request);
    if (kind == "short-name") return carry_out_short_name(request);
    if (kind == "logout") return carry_out_logout(request);
    HttpClient client;
    if (kind == "login") return carry_out_login(client, request);
    if (kind == "http") return carry_out_http(client, request, out);
    if (kind.starts_with("actions-")) return carry_out_actions(client, kind, request, out);
    if (kind.starts_with("engine-")) return carry_out_engine(client, kind, request, out);
    if (kind == "manifest") return carry_out_manifest(client, request, out);
    if (kind == "blob") return carry_out_blob(client, request, out);
    if (kind == "missing-blobs") return carry_out_missing(client, request, has_blob);
    if (kind == "missing-manifests") return carry_out_missing(client, request, has_manifest);
    if (kind == "referrers") return carry_out_referrers(client, request, out);
    if (kind == "push-blob") return carry_out_push_blob(client, request);
    if (kind == "push-manifest") return carry_out_push_manifest(client, request);
    if (kind == "replace-manifest") return carry_out_replace_manifest(client, request);
    throw Error(ErrorKind::usage, fmt::format("request: kind: \"{}\" is none that is known", printable(kind)));
}

}  // namespace imgbuild::fetch
