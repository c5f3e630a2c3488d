// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes files in the name of tasks that are not root, and in directories that give their group on: what the kernel
// would make belongs to root.

#include "builder/sandbox/intercept/listener.h"
#include "builder/sandbox/intercept/task.h"
#include "builder/sandbox/single/credentials.h"
#include "builder/sandbox/single/owner_calls.h"
#include "builder/sandbox/single/task_files.h"

namespace imgbuild::builder {

class FileMaker {
  public:
    /// All are borrowed for the time of one call.
    FileMaker(const Task& task, const TaskFiles& files, const TaskCredentials& credentials)
        : task_(task), files_(files), credentials_(credentials) {}

    /// True for the wishes that this answers.
    static bool makes(FileCall::Wish wish) noexcept;
    CallAnswer answer(const FileCall& call, const NamedFile& file) const;

  private:
    FileOwner owner_of_new(const NamedFile& directory) const;
    CallAnswer open(const FileCall& call, const NamedFile& file) const;
    CallAnswer make_entry(const FileCall& call, const NamedFile& file, const FileOwner& owner) const;
    CallAnswer make_device(const FileCall& call, const NamedFile& file, const FileOwner& owner) const;
    int make_by_name(const FileCall& call, int directory, const std::string& name) const;

    const Task& task_;
    const TaskFiles& files_;
    const TaskCredentials& credentials_;
};

/// Sets the record of a file that this process opened: 0, or an errno value. A file system without attributes is none
/// that a layer is made of: what is there stays root's.
int keep_record(int fd, mode_t mode, const layerstore::StatusRecord& record);

}  // namespace imgbuild::builder
