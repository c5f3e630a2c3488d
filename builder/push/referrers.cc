// SPDX-License-Identifier: Apache-2.0
#include "builder/push/referrers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "builder/fetch/documents.h"
#include "builder/fetch/push.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {
namespace {

using layerstore::Descriptor;
using layerstore::Index;
using layerstore::Reference;

constexpr int most_tries = 4;
constexpr const char* artifact_type_member = "artifactType";

// As a list of referrers has it: the artifact's type, else that of its config, and its annotations.
Descriptor listed_referrer(const Descriptor& document, std::string_view bytes) {
    const std::string what = "manifest " + document.digest.text();
    const Json json = parse_json(bytes, what);
    Descriptor listed{.media_type = document.media_type, .digest = document.digest, .size = document.size};
    std::string type = optional_string(json, artifact_type_member, what).value_or("");
    if (const Json* config = optional_object(json, "config", what); type.empty() && config)
        type = optional_string(*config, "mediaType", what).value_or("");
    if (!type.empty()) listed.other_members = write_json({{artifact_type_member, type}});
    listed.annotations = layerstore::is_index(document.media_type)
                             ? Index::parse(bytes, what).annotations
                             : layerstore::Manifest::parse(bytes, document.media_type, what).annotations;
    return listed;
}

Index read_list(const Reference& reference, const Digest& subject, bool by_tag) {
    const auto bytes = fetch_referrers(reference, subject, by_tag);
    if (bytes) return Index::parse(*bytes, "referrers of " + subject.text());
    return {.media_type = std::string(layerstore::media_type::oci_index)};
}

bool lists(const Index& index, const Digest& digest) {
    return std::ranges::find(index.manifests, digest, &Descriptor::digest) != index.manifests.end();
}

}  // namespace

std::optional<Descriptor> subject_of(std::string_view document, const std::string& what) {
    const Json json = parse_json(document, what);
    const Json* subject = optional_object(json, "subject", what);
    return subject ? std::optional(Descriptor::from_json(*subject, what + ": subject")) : std::nullopt;
}

std::string artifact_type_of(const Descriptor& descriptor) {
    if (descriptor.other_members.empty()) return {};
    const Json members = parse_json(descriptor.other_members, "descriptor");
    return optional_string(members, artifact_type_member, "descriptor").value_or("");
}

std::vector<Descriptor> list_referrers(const Reference& reference, const Digest& subject,
                                       const std::string& artifact_type) {
    return ask_registry("referrers of " + reference.familiar(), [&] {
        std::vector<Descriptor> found = read_list(reference, subject, false).manifests;
        std::erase_if(found, [&](const Descriptor& one) {
            return !artifact_type.empty() && artifact_type_of(one) != artifact_type;
        });
        return found;
    });
}

void note_referrer(const Reference& reference, const Descriptor& document, std::string_view bytes,
                   const Digest& subject) {
    const std::string tag = "sha256-" + subject.hex();
    ask_registry("list of referrers " + tag, [&] {
        for (int tries = 0; tries < most_tries; ++tries) {
            Index index = read_list(reference, subject, true);
            if (lists(index, document.digest)) return;
            index.manifests.push_back(listed_referrer(document, bytes));
            const std::string text = index.encode();
            push_manifest(reference, {.media_type = index.media_type, .digest = Sha256::of(text), .size = text.size()},
                          text, {tag});
        }
        if (!lists(read_list(reference, subject, true), document.digest))
            throw Error(ErrorKind::unavailable, "others write it all the time", "push again");
    });
}

}  // namespace imgbuild::builder
