// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/detail/references.h"

#include <sys/stat.h>

#include <algorithm>

namespace imgbuild::layerstore::detail {
namespace {

constexpr std::string_view text_prefix = "sha256:";
constexpr std::size_t hex_digits = 2 * Digest::size;

std::vector<std::string> names_below(const Directory& parent, const ImagePath& path) {
    const auto status = parent.status(path);
    if (!status || !S_ISDIR(status->st_mode)) return {};
    std::vector<std::string> names = parent.open_directory(path, FollowLinks::never).list();
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

std::vector<Digest> digests_in(std::string_view value, const std::function<bool(const Digest&)>& is_known) {
    std::vector<Digest> found;
    auto consider = [&](const std::optional<Digest>& digest) {
        if (digest && is_known(*digest)) found.push_back(*digest);
    };
    for (std::size_t i = 0; i + Digest::size <= value.size(); ++i)
        consider(Digest::from_bytes(value.substr(i, Digest::size)));
    for (std::size_t at = value.find(text_prefix); at != std::string_view::npos; at = value.find(text_prefix, at + 1))
        consider(Digest::from_hex(value.substr(at + text_prefix.size(), hex_digits)));
    return found;
}

std::vector<MaterialisedDelta> materialised_deltas(const Directory& root) {
    std::vector<MaterialisedDelta> list;
    const ImagePath deltas = ImagePath().child("deltas");
    for (const std::string& spelling : names_below(root, deltas)) {
        for (const std::string& name : names_below(root, deltas.child(spelling))) {
            const auto id = Digest::from_hex(name);
            const auto status = id ? root.status(deltas.child(spelling).child(name)) : std::nullopt;
            if (status && S_ISDIR(status->st_mode)) list.push_back({spelling, DeltaId{*id}, status->st_mtime});
        }
    }
    return list;
}

}  // namespace imgbuild::layerstore::detail
