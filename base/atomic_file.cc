// SPDX-License-Identifier: Apache-2.0
#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "base/error.h"

namespace imgbuild {
AtomicFile::AtomicFile(const Directory& scratch, const Directory& target, std::string name, Durability durability,
                       unsigned mode)
    : scratch_(scratch),
      target_(target),
      scratch_name_(".new-" + random_name()),
      name_(std::move(name)),
      durability_(durability) {
    fd_.reset(::openat(scratch_.fd(), scratch_name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd_) throw_errno("create a file in", scratch_.name());
}

AtomicFile::AtomicFile(const Directory& target, std::string name, Durability durability, unsigned mode)
    : AtomicFile(target, target, std::move(name), durability, mode) {}

AtomicFile::~AtomicFile() {
    if (!done_) ::unlinkat(scratch_.fd(), scratch_name_.c_str(), 0);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
    FdWriter(fd_.get(), target_.name() + "/" + name_).write(bytes);
}

void AtomicFile::commit() {
    std::string path = target_.name() + "/" + name_;
    // After a failed fsync the pages may be marked clean: the file is thrown away, never synced again.
    if (durability_ == Durability::full && ::fsync(fd_.get()) < 0) throw_errno("sync", path);
    if (::renameat(scratch_.fd(), scratch_name_.c_str(), target_.fd(), name_.c_str()) < 0)
        throw_errno("put in place", path);
    done_ = true;
    if (durability_ == Durability::full && ::fsync(target_.fd()) < 0) throw_errno("sync", target_.name());
}

void AtomicFile::commit_as(std::string name) {
    name_ = std::move(name);
    commit();
}

void write_file_atomically(const Directory& target, const std::string& name, std::string_view content,
                           Durability durability, unsigned mode) {
    AtomicFile file(target, name, durability, mode);
    file.write(content);
    file.commit();
}

}  // namespace imgbuild
