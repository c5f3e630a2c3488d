// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/plain/plain_roots.h"

#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>

#include "base/error.h"
#include "base/temporary_directory.h"

namespace imgbuild::builder {
namespace {

constexpr const char* roots_name = "roots";
// Stages that are built at once; the roots of others are laid down again.
constexpr std::size_t max_kept_roots = 4;

std::string root_name(std::span<const DeltaId> layers) {
    KeyHasher key("root of layers");
    for (const DeltaId& id : layers) key.add("layer", id.value);
    return key.finish().hex();
}

void lay_layers(const DeltaFolder& deltas, std::span<const DeltaId> layers, const Directory& target,
                const ImagePath& only, const StopCheck& stop) {
    for (const DeltaId& id : layers) {
        stop();
        layerstore::lay_over(deltas.open(id), target, layerstore::OverlaySpelling::plain, only);
    }
}

}  // namespace

PlainRoots::PlainRoots(const DeltaFolder& deltas)
    : deltas_(deltas), roots_(deltas.directory().make_directory(ImagePath().child(roots_name))) {}

Directory PlainRoots::take(std::span<const DeltaId> layers, const Directory& work, const std::string& name,
                           const StopCheck& stop) const {
    std::size_t shown = layers.size();
    for (; shown > 0; --shown) {
        if (::renameat(roots_.fd(), root_name(layers.first(shown)).c_str(), work.fd(), name.c_str()) == 0) break;
        if (errno != ENOENT) throw_errno("take", "a root file system");
    }
    Directory root = work.make_directory(ImagePath().child(name));
    lay_layers(deltas_, layers.subspan(shown), root, {}, stop);
    return root;
}

void PlainRoots::put(const Directory& work, const std::string& name, std::span<const DeltaId> layers) const {
    // Where another build keeps the same one, ours goes with `work`.
    if (::renameat2(work.fd(), name.c_str(), roots_.fd(), root_name(layers).c_str(), RENAME_NOREPLACE) < 0 &&
        errno != EEXIST)
        throw_errno("keep", "a root file system");
    std::vector<std::pair<timespec, std::string>> kept;
    for (const std::string& other : roots_.list())
        if (auto status = roots_.status(ImagePath().child(other))) kept.emplace_back(status->st_ctim, other);
    std::ranges::sort(kept, [](const auto& a, const auto& b) {
        return std::pair(a.first.tv_sec, a.first.tv_nsec) > std::pair(b.first.tv_sec, b.first.tv_nsec);
    });
    for (std::size_t i = max_kept_roots; i < kept.size(); ++i)
        if (::renameat(roots_.fd(), kept[i].second.c_str(), work.fd(), kept[i].second.c_str()) < 0 && errno != ENOENT)
            throw_errno("remove", "a root file system");
}

void PlainRoots::clear() const {
    const TemporaryDirectory gone = deltas_.begin();
    for (const std::string& name : roots_.list())
        if (::renameat(roots_.fd(), name.c_str(), gone.directory().fd(), name.c_str()) < 0 && errno != ENOENT)
            throw_errno("remove", "a root file system");
}

Directory lay_down_copy(const DeltaFolder& deltas, std::span<const DeltaId> layers, const Directory& work,
                        const std::string& name, const ImagePath& only, const StopCheck& stop) {
    Directory copy = work.make_directory(ImagePath().child(name));
    lay_layers(deltas, layers, copy, only, stop);
    return copy;
}

}  // namespace imgbuild::builder
