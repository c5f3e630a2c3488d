// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry.h"

#include <fmt/format.h>

#include "base/error.h"
#include "fetch/registry_session.h"
#include "layerstore/image/descriptor.h"

namespace imgbuild::fetch {
namespace {

std::string tag_or_digest(const layerstore::Reference& reference) {
    return reference.digest ? reference.digest->text() : reference.tag;
}

void check_digest(const Fetched& fetched, const layerstore::Reference& reference, const std::string& subject) {
    if (reference.digest && fetched.digest != *reference.digest)
        throw Error(ErrorKind::invalid_input,
                    fmt::format("{}: the registry sent other bytes ({})", subject, fetched.digest.text()));
}

Wanted wanted_from(RegistrySession& session, const std::string& kind, const layerstore::Reference& reference) {
    Wanted wanted;
    wanted.subject = session.subject(kind, tag_or_digest(reference));
    wanted.url = session.url(kind + "s/" + tag_or_digest(reference));
    wanted.authorizer = &session.authorizer();
    wanted.pinned = reference.digest.has_value();
    return wanted;
}

}  // namespace

std::string accept_header() {
    namespace type = layerstore::media_type;
    return fmt::format("Accept: {}, {}, {}, {}", type::oci_index, type::oci_manifest, type::docker_index,
                       type::docker_manifest);
}

Fetched fetch_manifest(HttpClient& client, const layerstore::Reference& reference, std::uint64_t limit,
                       ByteWriter& out) {
    RegistrySession session(client, reference);
    Wanted wanted = wanted_from(session, "manifest", reference);
    wanted.headers.push_back(accept_header());
    wanted.limit = limit;
    MemoryWriter whole;
    Fetched fetched = transfer(client, wanted, whole);
    check_digest(fetched, reference, wanted.subject);
    out.write(as_bytes(whole.bytes()));
    return fetched;
}

Fetched fetch_blob(HttpClient& client, const layerstore::Reference& reference, std::uint64_t size, ByteWriter& out) {
    RegistrySession session(client, reference);
    Wanted wanted = wanted_from(session, "blob", reference);
    wanted.limit = size;
    wanted.size = size;
    Fetched fetched = transfer(client, wanted, out);
    check_digest(fetched, reference, wanted.subject);
    return fetched;
}

}  // namespace imgbuild::fetch
