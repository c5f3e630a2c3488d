// SPDX-License-Identifier: Apache-2.0
#pragma once

// Answers the calls of a command in a user namespace with one id, so that it finds and makes owners, devices and
// credentials as root would with all ids (docs/decisions/0016-owners-on-the-inode.md). Who may do what is not decided
// here, but for chown(2): the kernel takes every task for the owner of every file.

#include <span>
#include <string>

#include "base/directory.h"
#include "builder/sandbox/intercept/supervisor.h"
#include "builder/sandbox/intercept/task.h"
#include "builder/sandbox/run_spec.h"
#include "builder/sandbox/single/credential_table.h"
#include "builder/sandbox/single/owner_calls.h"
#include "builder/sandbox/single/task_files.h"

namespace imgbuild::builder {

class OwnerAnswers final : public CallHandler {
  public:
    /// For a command that starts as `start`. The root of this process is the sandbox's; it goes into its /proc.
    OwnerAnswers(const Credentials& start, SecurityMode security);

    std::span<const WatchedCall> calls() const override { return owner_calls(); }
    CallAnswer answer(const WaitingCall& call, const CallListener& listener) override;

  private:
    CallAnswer answer_file(const Task& task, const ProcessState& state, const FileCall& call, const NamedFile& file);
    CallAnswer status(const Task& task, const TaskFiles& files, const FileCall& call, const NamedFile& file) const;
    CallAnswer change_owner(const ProcessState& state, const TaskFiles& files, const FileCall& call,
                            const NamedFile& file) const;
    CallAnswer list_attributes(const Task& task, const TaskFiles& files, const FileCall& call,
                               const NamedFile& file) const;
    CallAnswer execute(const Task& task, const ProcessState& state, const TaskFiles& files, const NamedFile& file);
    CallAnswer change_root(const Task& task, const ProcessState& state, const TaskFiles& files, const NamedFile& file);

    std::uint64_t root_capabilities_;
    CredentialTable table_;
    Directory proc_;
};

}  // namespace imgbuild::builder
