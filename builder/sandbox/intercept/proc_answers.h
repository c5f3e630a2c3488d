// SPDX-License-Identifier: Apache-2.0
#pragma once

// Answers for /proc, /sys and terminals in a root where none of them is mounted, from those of the container around;
// and for the files whose content is in memory (plain/plain_place.h).

#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "builder/sandbox/intercept/path_call.h"
#include "builder/sandbox/intercept/special_path.h"
#include "builder/sandbox/intercept/supervisor.h"
#include "builder/sandbox/intercept/task.h"
#include "builder/sandbox/plain/plain_place.h"

namespace imgbuild::builder {

/// A file that has several names, none of which was changed yet: (device, inode).
using LinkedFiles = std::set<std::pair<std::uint64_t, std::uint64_t>>;

class ProcAnswers final : public CallHandler {
  public:
    struct Inputs {
        const std::vector<StandIn>& stand_ins;
        std::string hostname;
        LinkedFiles linked;
    };
    /// Opens what it answers from; from here on this process has `root` as its root, as the command has.
    ProcAnswers(Inputs inputs, int root);

    std::span<const WatchedCall> calls() const override { return calls_; }
    CallAnswer answer(const WaitingCall& call, const CallListener& listener) override;

    /// The /proc of the container around.
    const Directory& proc() const noexcept { return proc_; }

  private:
    /// Where the answer is found: a path from a directory of ours.
    struct Place {
        int directory = -1;
        std::string path;
        bool read_only = false;
    };
    struct Found {
        std::optional<Place> place;
        const StandIn* stand_in = nullptr;
        int problem = 0;  ///< an errno value instead
        explicit operator bool() const noexcept { return place || stand_in || problem != 0; }
    };

    Found find(const Task& task, int directory, std::string path, bool follows) const;
    std::optional<Found> find_special(const Task& task, const ImagePath& path, bool follows) const;
    Found find_in_task(const Task& task, const SpecialPath& path) const;
    Found look(const Fd& start, const std::string& path, bool follows) const;
    bool is_in_sandbox(pid_t process) const;
    void show_processes() const;
    Fd start_of(const Task& task, int directory) const;

    CallAnswer answer_path(const WaitingCall& call, const Task& task, PathCall path);
    CallAnswer open(const Task& task, const PathCall& call, const Found& found) const;
    CallAnswer status(const Task& task, const PathCall& call, const Found& found) const;
    CallAnswer read_link(const Task& task, const PathCall& call, const Place& place) const;
    CallAnswer link(const Task& task, const PathCall& call, const Place& place) const;
    CallAnswer execute(const Task& task, const PathCall& call, const Place& place);
    std::string link_to_program(const std::string& target);
    CallAnswer machine_name(const Task& task, const WaitingCall& call) const;
    void part_links(const Task& task, const PathCall& call, const std::string& path);

    std::vector<WatchedCall> calls_;
    Directory proc_, sys_, dev_;
    const std::vector<StandIn>& stand_ins_;
    std::string hostname_;
    LinkedFiles linked_;
    std::vector<std::string> programs_;  ///< that were started by a link in /proc
};

}  // namespace imgbuild::builder
