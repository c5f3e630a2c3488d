// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which credentials each process of a command has. The kernel itself carries the number of an entry of this table from
// a process to its children and through execve(2): as its soft limit of file locks, which Linux has not enforced since
// version 2.4. So nobody has to be told of a fork, and no child is ever asked about before it is known
// (docs/decisions/0016-owners-on-the-inode.md).

#include <sys/types.h>

#include <map>
#include <vector>

#include "builder/sandbox/single/credentials.h"

namespace imgbuild::builder {

/// The state of one process as its number says it.
struct ProcessState {
    std::size_t credentials = 0;  ///< index in the table
    bool has_other_root = false;  ///< it called chroot(2)
};

class CredentialTable {
  public:
    /// Processes that nothing was said of have `start`.
    explicit CredentialTable(TaskCredentials start);

    ProcessState state_of(pid_t process) const noexcept;
    const TaskCredentials& operator[](const ProcessState& state) const { return *sets_.at(state.credentials); }
    void set_credentials(pid_t process, ProcessState state, const TaskCredentials& credentials);
    void set_other_root(pid_t process, ProcessState state) noexcept;

    /// Error{unsupported} where the limit of this process is too low to hold numbers.
    static void require_room();

  private:
    void store(pid_t process, ProcessState state) noexcept;

    std::map<TaskCredentials, std::size_t> numbers_;
    std::vector<const TaskCredentials*> sets_;  // the keys of `numbers_`
    bool has_numbers_ = false;                  // some process has one; before, none has to be asked
};

}  // namespace imgbuild::builder
