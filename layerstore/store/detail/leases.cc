// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/detail/leases.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore::detail {
namespace {

constexpr std::uint64_t max_lease_bytes = std::uint64_t{64} << 20;

void read_lease(const std::string& text, Leased& leased) {
    for (std::string_view line : split(text, '\n')) {
        if (line.starts_with("blob "))
            if (auto digest = Digest::from_hex(line.substr(5))) leased.blobs.insert(*digest);
        if (line.starts_with("delta "))
            if (auto digest = Digest::from_hex(line.substr(6))) leased.deltas.insert({*digest});
    }
}

}  // namespace

FileLock lock_leases(const Directory& root, LockMode mode) { return FileLock::acquire(root, "leases.lock", mode); }

std::pair<std::string, FileLock> make_lease(const Directory& directory) {
    for (;;) {
        std::string name = random_name();
        FileLock lock = FileLock::acquire(directory, name, LockMode::exclusive);
        // A sweep that came between making and locking has taken the file away.
        struct stat ours {};
        if (::fstat(lock.fd(), &ours) < 0) throw_errno("stat", directory.name() + "/" + name);
        if (ours.st_nlink > 0) return {std::move(name), std::move(lock)};
    }
}

Leased read_leases(const Directory& root) {
    Leased leased;
    const ImagePath place = ImagePath().child(leases_name);
    if (!root.status(place)) return leased;
    const Directory directory = root.open_directory(place, FollowLinks::never);
    for (const std::string& name : directory.list()) {
        if (!is_path_component(name) || !directory.status(ImagePath().child(name))) continue;
        if (const auto dead = FileLock::try_acquire(directory, name, LockMode::exclusive)) {
            directory.remove_tree(name);
            continue;
        }
        try {
            read_lease(directory.read_file(ImagePath().child(name), max_lease_bytes), leased);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found) throw;  // its build has just ended
        }
    }
    return leased;
}

}  // namespace imgbuild::layerstore::detail
