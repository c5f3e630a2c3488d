// SPDX-License-Identifier: Apache-2.0
#pragma once

// A held directory, and the only way in which imgbuild opens what a foreign path names. Every lookup starts
// at the held descriptor and is resolved by the kernel inside it (openat2 with RESOLVE_IN_ROOT and
// RESOLVE_NO_MAGICLINKS); where openat2 is missing or filtered, a component-wise walk with at most 40 links
// does the same. This is the single caller of openat2.

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/image_path.h"

namespace imgbuild {

enum class FollowLinks {
    inside,   ///< links are followed, absolute ones from the held directory, ".." stops there
    never,    ///< a link anywhere on the way is an error (ELOOP)
    parents,  ///< links in parents are followed inside; the last component is taken as it is
};

class Directory {
  public:
    Directory() noexcept = default;
    explicit Directory(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

    /// Opens a host path, given by the user or made by us, following links. Throws Error naming it.
    static Directory open_host(const std::string& path);
    /// As open_host(), made with its parents (mode 0777 less the umask) where missing.
    static Directory create_host(const std::string& path);

    int fd() const noexcept { return fd_.get(); }
    /// How errors name it: the host path it was opened by.
    const std::string& name() const noexcept { return name_; }
    Directory duplicate() const { return Directory(fd_.duplicate(), name_); }

    /// Opens `path` with open(2) `flags` (O_CLOEXEC is added). Throws Error naming both.
    Fd open(const ImagePath& path, int flags, FollowLinks follow, unsigned mode = 0) const;
    /// As open(), but empty where nothing stands there (ENOENT, ENOTDIR).
    std::optional<Fd> try_open(const ImagePath& path, int flags, FollowLinks follow) const;
    /// A directory below this one.
    Directory open_directory(const ImagePath& path, FollowLinks follow) const;
    /// A directory below this one, made with its parents where missing (0777 less the umask).
    Directory make_directory(const ImagePath& path) const;

    /// lstat of `path`, links in parents followed inside; empty where nothing stands there.
    std::optional<struct stat> status(const ImagePath& path) const;
    /// A whole small file; Error{invalid_input} above `limit` bytes, Error{not_found} where it is missing.
    std::string read_file(const ImagePath& path, std::uint64_t limit) const;

    /// The names in this directory but "." and "..", in the order of the file system.
    std::vector<std::string> list() const;
    /// Takes away everything below and including `name`, without following links. A missing name is fine.
    void remove_tree(std::string_view name) const;

  private:
    Fd fd_;
    std::string name_;
};

/// A name that nobody has taken, for scratch files and folders: 16 random hex digits. Throws Error.
std::string random_name();

/// For tests of the fallback: while set, openat2 is treated as missing.
void set_openat2_disabled(bool disabled) noexcept;

}  // namespace imgbuild
