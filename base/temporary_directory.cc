// SPDX-License-Identifier: Apache-2.0
#include "base/temporary_directory.h"

#include <sys/stat.h>

#include <cstdlib>

#include "base/error.h"

namespace imgbuild {
namespace {

constexpr const char* lock_name = "lock";

}  // namespace

// Empty where a sweep took the directory before it was locked.
std::optional<TemporaryDirectory> TemporaryDirectory::try_create_in(const Directory& parent) {
    std::string name = random_name();
    if (::mkdirat(parent.fd(), name.c_str(), 0700) < 0) throw_errno("make a directory in", parent.name());
    try {
        Directory directory = parent.open_directory(ImagePath().child(name), FollowLinks::never);
        FileLock lock = FileLock::acquire(directory, lock_name, LockMode::exclusive);
        if (!parent.status(ImagePath().child(name))) return std::nullopt;
        return TemporaryDirectory(parent.duplicate(), std::move(directory), std::move(name), std::move(lock));
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return std::nullopt;
    }
}

TemporaryDirectory TemporaryDirectory::create_in(const Directory& parent) {
    while (true)
        if (auto directory = try_create_in(parent)) return std::move(*directory);
}

TemporaryDirectory TemporaryDirectory::create() {
    const char* place = std::getenv("TMPDIR");
    return create_in(Directory::open_host(place && *place ? place : "/tmp"));
}

TemporaryDirectory::TemporaryDirectory(Directory parent, Directory directory, std::string name, FileLock lock)
    : parent_(std::move(parent)), directory_(std::move(directory)), name_(std::move(name)), lock_(std::move(lock)) {}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : parent_(std::move(other.parent_)),
      directory_(std::move(other.directory_)),
      name_(std::exchange(other.name_, {})),
      lock_(std::move(other.lock_)) {}

TemporaryDirectory& TemporaryDirectory::operator=(TemporaryDirectory&& other) noexcept {
    if (this != &other) {
        remove();
        parent_ = std::move(other.parent_);
        directory_ = std::move(other.directory_);
        name_ = std::exchange(other.name_, {});
        lock_ = std::move(other.lock_);
    }
    return *this;
}

TemporaryDirectory::~TemporaryDirectory() { remove(); }

void TemporaryDirectory::remove() noexcept {
    if (name_.empty()) return;
    try {
        parent_.remove_tree(name_);
    } catch (const Error&) {
        // The next sweep takes what could not be removed now.
    }
    name_.clear();
}

void TemporaryDirectory::sweep(const Directory& parent) {
    for (const std::string& name : parent.list()) {
        try {
            sweep_one(parent, name);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found) throw;  // another sweep was faster
        }
    }
}

void TemporaryDirectory::sweep_one(const Directory& parent, const std::string& name) {
    auto path = ImagePath::parse_strict(name);
    auto status = path ? parent.status(*path) : std::nullopt;
    if (!status) return;
    std::optional<FileLock> lock;  // held until all is gone, so that who made the directory sees that it lost
    if (S_ISDIR(status->st_mode)) {
        Directory directory = parent.open_directory(*path, FollowLinks::never);
        lock = FileLock::try_acquire(directory, lock_name, LockMode::exclusive);
        if (!lock) return;
    }
    parent.remove_tree(name);
}

}  // namespace imgbuild
