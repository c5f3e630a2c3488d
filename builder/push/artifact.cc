// SPDX-License-Identifier: Apache-2.0
#include "builder/push/artifact.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/ascii.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/stream.h"
#include "base/text.h"
#include "layerstore/image/empty_document.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {
namespace {

using layerstore::BlobStore;
using layerstore::Descriptor;

constexpr const char* title_annotation = "org.opencontainers.image.title";

Descriptor put_file(const ArtifactFile& file, const BlobStore& blobs) {
    const Fd fd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) < 0) throw_errno("read", printable(file.path));
    if (!S_ISREG(status.st_mode))
        throw Error(ErrorKind::usage, "read " + printable(file.path) + ": not a regular file");
    FdReader reader(fd.get(), printable(file.path));
    const auto writer = blobs.begin();
    copy_all(reader, *writer);
    Descriptor blob{.media_type = file.media_type, .digest = writer->commit(), .size = writer->size()};
    blob.annotations[title_annotation] = file.path.substr(file.path.rfind('/') + 1);
    return blob;
}

}  // namespace

bool is_media_type(std::string_view text) noexcept {
    constexpr std::size_t most_bytes = 127;
    const auto is_name = [](std::string_view part) {
        return !part.empty() && part.size() <= most_bytes && (is_letter(part[0]) || is_digit(part[0])) &&
               std::ranges::all_of(part, [](char c) {
                   return is_letter(c) || is_digit(c) ||
                          std::string_view("!#$&-^_.+").find(c) != std::string_view::npos;
               });
    };
    const std::size_t slash = text.find('/');
    return slash != std::string_view::npos && is_name(text.substr(0, slash)) && is_name(text.substr(slash + 1));
}

Descriptor put_artifact(const ArtifactRequest& request, const BlobStore& blobs) {
    layerstore::Manifest manifest{.media_type = std::string(layerstore::media_type::oci_manifest)};
    manifest.config = layerstore::put_empty_document(blobs);
    for (const ArtifactFile& file : request.files) manifest.layers.push_back(put_file(file, blobs));
    // One at least, for registries that know artifacts as images only.
    if (manifest.layers.empty()) manifest.layers.push_back(manifest.config);
    manifest.annotations = request.annotations;
    Json members{{"artifactType", request.type}};
    if (request.subject) {
        const Descriptor subject{.media_type = request.subject->media_type,
                                 .digest = request.subject->digest,
                                 .size = request.subject->size};
        members["subject"] = subject.to_json();
    }
    manifest.other_members = write_json(members);
    const std::string bytes = manifest.encode();
    return {.media_type = manifest.media_type, .digest = blobs.put(bytes), .size = bytes.size()};
}

}  // namespace imgbuild::builder
