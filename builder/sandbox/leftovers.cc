// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/leftovers.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr std::uint64_t stat_limit = 4096;

// False when there is none left.
bool reap_what_ended() {
    for (;;) {
        const pid_t ended = ::waitpid(-1, nullptr, WNOHANG);
        if (ended == 0) return true;
        if (ended < 0 && errno != EINTR) return false;
    }
}

}  // namespace

void adopt_orphans() {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) throw_errno("become", "the parent of orphans");
}

void kill_descendants(const Directory& proc) {
    // Whoever forks faster than we look is stopped first, so that the second round finds it standing still.
    for (bool first = true; reap_what_ended(); first = false) {
        for (const pid_t pid : descendants_of(::getpid(), parents_of_all(proc))) ::kill(pid, first ? SIGSTOP : SIGKILL);
        if (!first) ::poll(nullptr, 0, 1);
    }
}

Adoption::~Adoption() {
    try {
        kill_descendants(Directory::open_host("/proc"));
    } catch (const Error&) {
        // Without a /proc to look in there is nobody to be found.
    }
}

std::map<pid_t, pid_t> parents_of_all(const Directory& proc) {
    std::map<pid_t, pid_t> parents;
    for (const std::string& name : proc.list()) {
        const auto pid = parse_unsigned(name);
        if (!pid) continue;
        try {
            parents[static_cast<pid_t>(*pid)] =
                parent_in_stat(proc.read_file(ImagePath::clean(name + "/stat"), stat_limit));
        } catch (const Error&) {
            // It ended meanwhile.
        }
    }
    return parents;
}

pid_t parent_in_stat(std::string_view line) {
    // The name of the program stands in brackets and may hold anything, also brackets.
    const std::size_t end = line.rfind(')');
    if (end == std::string_view::npos) return 0;
    const auto fields = split(trim(line.substr(end + 1)), ' ');
    const auto parent = fields.size() > 1 ? parse_unsigned(fields[1]) : std::nullopt;
    return static_cast<pid_t>(parent.value_or(0));
}

std::set<pid_t> descendants_of(pid_t root, const std::map<pid_t, pid_t>& parents) {
    std::set<pid_t> found;
    for (bool grew = true; grew;) {
        grew = false;
        for (const auto& [pid, parent] : parents)
            if (pid != root && (parent == root || found.contains(parent))) grew = found.insert(pid).second || grew;
    }
    return found;
}

}  // namespace imgbuild::builder
