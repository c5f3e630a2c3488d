// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "base/error.h"
#include "base/text.h"

extern char** environ;

namespace imgbuild {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (const std::string& string : strings) out.push_back(const_cast<char*>(string.c_str()));
    out.push_back(nullptr);
    return out;
}

// Owns the two spawn objects for the length of one call.
struct SpawnPlan {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    SpawnPlan() {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
    }
};

void plan_descriptors(SpawnPlan& plan, const ProcessOptions& options, std::vector<Fd>& moved) {
    posix_spawn_file_actions_addopen(&plan.actions, 0, "/dev/null", O_RDONLY, 0);
    for (auto [ours, theirs] : options.descriptors) {
        // Out of the way of the numbers that other entries will take.
        moved.emplace_back(::fcntl(ours, F_DUPFD_CLOEXEC, 64));
        if (!moved.back()) throw_errno("duplicate", "a file descriptor");
        posix_spawn_file_actions_adddup2(&plan.actions, moved.back().get(), theirs);
    }
    if (!options.working_directory.empty())
        posix_spawn_file_actions_addchdir_np(&plan.actions, options.working_directory.c_str());
}

}  // namespace

Process Process::start(const ProcessOptions& options) {
    const std::string& name = options.arguments.at(0);
    auto program = name.find('/') == std::string::npos ? find_program(name) : std::optional(name);
    if (!program) throw Error(ErrorKind::not_found, fmt::format("start: {}: not found on PATH", printable(name)));
    SpawnPlan plan;
    std::vector<Fd> moved;
    plan_descriptors(plan, options, moved);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    posix_spawnattr_setsigmask(&plan.attributes, &none);
    posix_spawnattr_setsigdefault(&plan.attributes, &all);
    posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    auto arguments = pointers(options.arguments);
    std::vector<char*> variables;
    if (options.environment) variables = pointers(*options.environment);
    pid_t pid = -1;
    int problem = ::posix_spawn(&pid, program->c_str(), &plan.actions, &plan.attributes, arguments.data(),
                                options.environment ? variables.data() : environ);
    if (problem != 0) throw_errno("start", *program, problem);
    return Process(pid);
}

Process::~Process() {
    if (pid_ < 0) return;
    kill(SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

ExitStatus Process::wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0)
        if (errno != EINTR) throw_errno("wait for", fmt::format("process {}", pid_));
    pid_ = -1;
    if (WIFSIGNALED(status)) return {128 + WTERMSIG(status), WTERMSIG(status)};
    return {WEXITSTATUS(status), 0};
}

void Process::kill(int signal) noexcept {
    if (pid_ > 0) ::kill(pid_, signal);
}

CapturedOutput run_and_capture(const ProcessOptions& options, std::size_t limit) {
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    ProcessOptions piped = options;
    piped.descriptors.emplace_back(out.write_end.get(), 1);
    piped.descriptors.emplace_back(err.write_end.get(), 2);
    Process process = Process::start(piped);
    out.write_end.reset();
    err.write_end.reset();
    CapturedOutput result;
    std::array<pollfd, 2> watched{pollfd{out.read_end.get(), POLLIN, 0}, pollfd{err.read_end.get(), POLLIN, 0}};
    std::array<std::string*, 2> sinks{&result.standard_output, &result.standard_error};
    std::array<char, 16384> buffer;
    while (watched[0].fd >= 0 || watched[1].fd >= 0) {
        if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) throw_errno("read", options.arguments[0]);
        for (std::size_t i = 0; i < watched.size(); ++i) {
            if (watched[i].fd < 0 || watched[i].revents == 0) continue;
            ssize_t count = ::read(watched[i].fd, buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0)
                watched[i].fd = -1;
            else
                sinks[i]->append(buffer.data(), std::min(static_cast<std::size_t>(count), limit - sinks[i]->size()));
            watched[i].revents = 0;
        }
    }
    result.status = process.wait();
    return result;
}

std::optional<std::string> find_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    for (std::string_view folder : split(path ? path : "/usr/local/bin:/usr/bin:/bin", ':')) {
        if (!folder.starts_with('/')) continue;  // a relative PATH entry may be the build context
        std::string candidate = std::string(folder) + "/" + name;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return std::nullopt;
}

}  // namespace imgbuild
