// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/fetch.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <filesystem>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/helper_status.h"
#include "base/image_path.h"
#include "base/json.h"
#include "base/temporary_directory.h"
#include "base/text.h"
#include "builder/fetch/detail/fetch_request.h"
#include "builder/fetch/detail/host_slots.h"
#include "builder/fetch/helper_program.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {
namespace {

using detail::fetch_helper;
using detail::request_for;
using detail::run_fetch;

void expect_digest(const Json& status, const Digest& digest) {
    if (required_string(status, "digest", fetch_helper) != digest.text())
        throw Error(ErrorKind::internal, fmt::format("{}: says another digest than its output has", fetch_helper));
}

std::string absolute_path(const Directory& directory) {
    return std::filesystem::absolute(directory.name()).lexically_normal().string();
}

Json request_for_git(const char* kind, const GitRemote& remote, const Directory& scratch) {
    Json request{{"kind", kind}, {"remote", remote.address}, {"directory", absolute_path(scratch)}};
    if (!remote.authorization.empty()) request["authorization"] = remote.authorization;
    if (!remote.ssh_socket.empty()) request["sshSocket"] = remote.ssh_socket;
    return request;
}

// Where the helpers keep the tokens that they were given. Nothing here reads it, and no other program inherits it.
int token_jar() {
    static const Fd jar(::memfd_create("imgbuild-tokens", MFD_CLOEXEC));
    return jar.get();
}

// What a status with `skip` stands for where nobody else is asked.
Error error_of_turn(const Json& status) {
    const Error error = error_of_status(status, fetch_helper);
    const bool is_networks = error.kind() == ErrorKind::not_found || error.kind() == ErrorKind::denied;
    return is_networks ? Error(ErrorKind::unavailable, error.message(), error.hint()) : error;
}

// Which of a repository's registries gave the last answer: asked first, a mirror that is down costs its time once.
class LastAnswers {
  public:
    void put_into(Json& request, const layerstore::Reference& reference) {
        const std::lock_guard lock(mutex_);
        if (const auto found = bases_.find(reference.name()); found != bases_.end()) request["first"] = found->second;
    }
    void remember(const layerstore::Reference& reference, const Json& status) {
        const std::lock_guard lock(mutex_);
        bases_[reference.name()] = optional_string(status, "base", fetch_helper).value_or("");
    }
    static LastAnswers& of_process() {
        static LastAnswers answers;
        return answers;
    }

  private:
    std::mutex mutex_;
    std::map<std::string, std::string> bases_;
};

Json request_for_blob(const layerstore::Reference& reference, const layerstore::Descriptor& blob) {
    Json request = request_for("blob", reference);
    request["digest"] = blob.digest.text();
    request["size"] = blob.size;
    LastAnswers::of_process().put_into(request, reference);
    return request;
}

}  // namespace

Json detail::run_fetch(const Json& request, ByteWriter& out, const Fd& data) {
    const std::string kind = request.value("kind", "");
    std::optional<HostSlot> slot;
    if (kind == "blob" || kind == "push-blob") slot.emplace(request.value("domain", ""));
    std::optional<HelperProgram> helper;
    try {
        helper.emplace(fetch_helper, text_as_input(write_json(request)), data.get(), token_jar());
        copy_all(*helper, out);
        return helper->status();
    } catch (const Error& error) {
        if (helper && helper->status().contains("skip")) return helper->status();
        if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::denied) throw;
        throw Error(ErrorKind::unavailable, error.message(), error.hint());
    }
}

Json detail::request_for(const char* kind, const layerstore::Reference& reference) {
    return Json{{"kind", kind}, {"domain", reference.domain}, {"repository", reference.repository}};
}

FetchedDocument fetch_manifest(const layerstore::Reference& reference) {
    Json request = request_for("manifest", reference);
    request["reference"] = reference.digest ? reference.digest->text() : reference.tag;
    request["maxBytes"] = layerstore::max_manifest_bytes;
    // What a tag means is asked in the order of the configuration each time.
    if (reference.digest) LastAnswers::of_process().put_into(request, reference);
    MemoryWriter memory;
    HashingWriter out(&memory);
    Json status = run_fetch(request, out);
    FetchedDocument document{memory.take(), {}, out.finish()};
    expect_digest(status, reference.digest.value_or(document.digest));
    expect_digest(status, document.digest);
    LastAnswers::of_process().remember(reference, status);
    std::string type = optional_string(status, "contentType", fetch_helper).value_or("");
    document.media_type = to_lower(trim(std::string_view(type).substr(0, type.find(';'))));
    return document;
}

void fetch_blob(const layerstore::Reference& reference, const layerstore::Descriptor& blob, ByteWriter& out) {
    const Json status = run_fetch(request_for_blob(reference, blob), out);
    if (!status["ok"].get<bool>()) throw error_of_turn(status);
}

void fetch_blob(const layerstore::Reference& reference, const layerstore::Descriptor& blob,
                const std::function<ByteWriter&()>& begin) {
    Json request = request_for_blob(reference, blob);
    for (std::int64_t skipped = 0;;) {
        const Json status = run_fetch(request, begin());
        if (status["ok"].get<bool>()) return LastAnswers::of_process().remember(reference, status);
        const std::int64_t skip = required_integer(status, "skip", fetch_helper);
        if (skip <= skipped) throw error_of_turn(status);
        request["skip"] = skipped = skip;
    }
}

std::optional<FetchedFile> fetch_url(const UrlRequest& request, ByteWriter& out) {
    Json wanted{{"kind", "http"}, {"url", request.url}, {"maxBytes", max_fetched_bytes}};
    if (!request.authorization.empty()) wanted["authorization"] = request.authorization;
    if (!request.etag.empty()) wanted["etag"] = request.etag;
    if (request.modified_since) wanted["modifiedSince"] = *request.modified_since;
    HashingWriter hashing(&out);
    const Json status = run_fetch(wanted, hashing);
    const bool may_be_unchanged = !request.etag.empty() || request.modified_since;
    if (may_be_unchanged && hashing.count() == 0 && status.value("unchanged", false)) return std::nullopt;
    FetchedFile file;
    file.size = hashing.count();
    file.digest = hashing.finish();
    expect_digest(status, file.digest);
    file.file_name = required_string(status, "fileName", fetch_helper);
    if (!is_path_component(file.file_name))
        throw Error(ErrorKind::internal, fmt::format("{}: says a file name that is none", fetch_helper));
    file.last_modified = optional_integer(status, "lastModified", fetch_helper);
    file.etag = optional_string(status, "etag", fetch_helper).value_or("");
    return file;
}

GitRevision resolve_git(const GitRemote& remote, const std::string& reference, const Directory& scratch) {
    Json request = request_for_git("git-resolve", remote, scratch);
    request["reference"] = reference;
    MemoryWriter no_output;
    const Json status = run_fetch(request, no_output);
    GitRevision revision{required_string(status, "commit", fetch_helper),
                         required_string(status, "reference", fetch_helper)};
    const bool is_commit = (revision.commit.size() == 40 || revision.commit.size() == 64) &&
                           revision.commit.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!is_commit) throw Error(ErrorKind::internal, fmt::format("{}: says a commit that is none", fetch_helper));
    return revision;
}

std::int64_t check_out_git(const GitRemote& remote, const GitRevision& revision, bool submodules,
                           const Directory& scratch) {
    Json request = request_for_git("git-checkout", remote, scratch);
    request["commit"] = revision.commit;
    request["reference"] = revision.reference;
    request["submodules"] = submodules;
    MemoryWriter no_output;
    return required_integer(run_fetch(request, no_output), "time", fetch_helper);
}

WorkTreeHead read_work_tree(const std::string& path, const Directory& scratch) {
    const TemporaryDirectory folder = TemporaryDirectory::create_in(scratch);
    const std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
    MemoryWriter no_output;
    try {
        const Json status =
            run_fetch(request_for_git("git-work-tree", {absolute, {}, {}}, folder.directory()), no_output);
        return {required_integer(status, "time", fetch_helper), status.value("dirty", false)};
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::unavailable) throw;
        throw Error(ErrorKind::usage, error.message(), error.hint());
    }
}

}  // namespace imgbuild::builder
