// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files that a task names, as who answers its calls reaches them: from the task's own directories and descriptors,
// by way of the /proc that is the working directory of this process while a command runs (TaskFiles::prepare()).

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "base/fd.h"
#include "layerstore/snapshot/status_record.h"

namespace imgbuild::builder {

/// A file as a call names it.
struct NamedFile {
    int directory = -100;  ///< a descriptor of the task, or AT_FDCWD
    std::string path;      ///< empty: the descriptor itself
    bool follows = true;   ///< a link in the last component
};

class TaskFiles {
  public:
    /// Goes into /proc, for good. The root of this process is that of the sandbox. Throws Error.
    static void prepare();

    /// `has_other_root`: the task called chroot(2), and while this lives its root is that of this process too.
    TaskFiles(pid_t task, bool has_other_root);
    TaskFiles(const TaskFiles&) = delete;
    TaskFiles& operator=(const TaskFiles&) = delete;
    ~TaskFiles();

    /// A path by which this process finds the file. For looking only: `self` in /proc is this process, and links into
    /// /proc lead to its own files.
    std::string path_of(const NamedFile& file) const;
    /// Whether the last component of path_of() is to be followed: always, where it is a descriptor.
    static layerstore::LastLink last_link_of(const NamedFile& file) noexcept;

    /// Opens the file itself (O_PATH), never by a link of /proc but to a descriptor of the task. Empty with errno.
    Fd open(const NamedFile& file) const;
    /// Opens the directory that holds it or would hold it, whatever its last component is; and that component's name.
    /// An empty name for a path that has none ("/", "..").
    Fd open_parent(const NamedFile& file, std::string& name) const;
    /// The directory that holds it.
    static NamedFile parent_of(const NamedFile& file);

    /// For files that this process opened: a path that leads to the same one.
    static std::string path_of_own(int fd);

  private:
    std::string start_of(const NamedFile& file) const;
    std::optional<std::string> own_name_in_proc(const NamedFile& file) const;

    pid_t task_;
    Fd our_root_;  // open while another root is ours
    Fd proc_;
};

/// openat2(2) that follows no link of /proc. Empty with errno.
Fd open_safely(int directory, const std::string& path, int flags, mode_t mode = 0) noexcept;

}  // namespace imgbuild::builder
