// SPDX-License-Identifier: Apache-2.0
#pragma once

// Directories are opened, listed and looked into before the walk comes to them, on threads that have nothing else to do.
// The walk itself stays what it is, one pass in one order: a look that is not there, or failed, is a look that the walk
// takes itself, and what is wrong is said then.

#include <sys/stat.h>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/directory.h"
#include "base/fd.h"
#include "base/task_pool.h"
#include "builder/context/detail/listing.h"

namespace imgbuild::builder {

/// One directory as it was found.
struct DirectoryLook {
    Fd fd;
    Listing names;
    /// Of the first names, in their order; at most max_looks. One that could not be had is empty.
    std::vector<std::optional<struct stat>> statuses;

    /// Bounds what is held of directories with very many names.
    static constexpr std::size_t max_looks = 1024;
};

class LookAhead {
  public:
    class Job;
    /// A directory that is wanted; empty for one that is not.
    using Ticket = std::shared_ptr<Job>;

    /// `root` and `pool` are borrowed; looks that run are waited for in the end.
    LookAhead(const Directory& root, TaskPool& pool);
    ~LookAhead();
    LookAhead(const LookAhead&) = delete;
    LookAhead& operator=(const LookAhead&) = delete;

    /// Asks for the directory at `path` ("/a/b"). Empty where enough is asked for already.
    Ticket want(std::string path);
    /// The look, waited for where it has begun. Empty where it has not, or failed.
    std::optional<DirectoryLook> take(const Ticket& ticket);

  private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
    TaskPool& pool_;
    std::size_t most_;  // looks that are asked for and not taken
    std::size_t asked_ = 0;
};

}  // namespace imgbuild::builder
