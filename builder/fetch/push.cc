// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/push.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "builder/fetch/detail/fetch_request.h"
#include "builder/fetch/helper_program.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {
namespace {

using detail::fetch_helper;
using detail::request_for;
using layerstore::Descriptor;
using layerstore::Reference;

// So many digests fit a request and its answer.
constexpr std::size_t most_digests = 500;

Json ask_to_push(const Json& request, const Fd& data = Fd()) {
    MemoryWriter no_output;
    return detail::run_fetch(request, no_output, data);
}

std::vector<Descriptor> missing(const char* kind, const Reference& reference, const std::vector<Descriptor>& blobs) {
    std::set<std::string> missing;
    for (std::size_t begin = 0; begin < blobs.size(); begin += most_digests) {
        Json request = request_for(kind, reference);
        request["digests"] = Json::array();
        for (std::size_t i = begin; i < std::min(begin + most_digests, blobs.size()); ++i)
            request["digests"].push_back(blobs[i].digest.text());
        const Json status = ask_to_push(request);
        const Json* list = optional_array(status, "missing", fetch_helper);
        for (const Json& digest : list ? *list : Json::array())
            if (digest.is_string()) missing.insert(digest.get<std::string>());
    }
    std::vector<Descriptor> found;
    std::ranges::copy_if(blobs, std::back_inserter(found),
                         [&](const Descriptor& blob) { return missing.contains(blob.digest.text()); });
    return found;
}

}  // namespace

std::vector<Descriptor> missing_blobs(const Reference& reference, const std::vector<Descriptor>& blobs) {
    return missing("missing-blobs", reference, blobs);
}

std::vector<Descriptor> missing_manifests(const Reference& reference, const std::vector<Descriptor>& documents) {
    return missing("missing-manifests", reference, documents);
}

PushOutcome push_blob(const Reference& reference, const Descriptor& blob, const std::string& mount_from,
                      const Fd& file) {
    Json request = request_for("push-blob", reference);
    request["digest"] = blob.digest.text();
    request["size"] = blob.size;
    if (!mount_from.empty()) request["mountFrom"] = mount_from;
    request["hasData"] = static_cast<bool>(file);
    const std::string outcome = required_string(ask_to_push(request, file), "outcome", fetch_helper);
    if (outcome == "mounted") return PushOutcome::mounted;
    if (outcome == "uploaded") return PushOutcome::uploaded;
    if (outcome == "needed") return PushOutcome::needed;
    throw Error(ErrorKind::internal, fmt::format("{}: says an outcome that is none", fetch_helper));
}

bool push_manifest(const Reference& reference, const Descriptor& manifest, std::string_view bytes,
                   const std::vector<std::string>& tags) {
    Json request = request_for("push-manifest", reference);
    request["digest"] = manifest.digest.text();
    request["mediaType"] = manifest.media_type;
    request["tags"] = tags;
    return ask_to_push(request, text_as_input(bytes)).value("listsReferrers", false);
}

std::optional<std::string> find_manifest(const Reference& reference, bool to_replace) {
    Json request = request_for("manifest", reference);
    request["reference"] = reference.digest ? reference.digest->text() : reference.tag;
    request["maxBytes"] = layerstore::max_manifest_bytes;
    request["mayBeMissing"] = true;
    request["toReplace"] = to_replace;
    MemoryWriter out;
    if (detail::run_fetch(request, out).value("missing", false)) return std::nullopt;
    return out.take();
}

ReplaceOutcome replace_manifest(const Reference& reference, const Descriptor& manifest, std::string_view bytes,
                                const std::optional<Digest>& expected) {
    Json request = request_for("replace-manifest", reference);
    request["digest"] = manifest.digest.text();
    request["mediaType"] = manifest.media_type;
    request["tags"] = {reference.tag};
    if (expected) request["expected"] = expected->text();
    const Json status = ask_to_push(request, text_as_input(bytes));
    return {status.value("replaced", false),
            std::chrono::milliseconds(optional_integer(status, "milliseconds", fetch_helper).value_or(0))};
}

std::optional<std::string> fetch_referrers(const Reference& reference, const Digest& subject, bool by_tag) {
    Json request = request_for("referrers", reference);
    request["digest"] = subject.text();
    request["tagOnly"] = by_tag;
    MemoryWriter out;
    const Json status = detail::run_fetch(request, out);
    if (required_string(status, "source", fetch_helper) == "none") return std::nullopt;
    return out.take();
}

}  // namespace imgbuild::builder
