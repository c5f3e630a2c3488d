// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/helper_program.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>

#include "base/cancel.h"
#include "base/error.h"
#include "base/helper_status.h"
#include "base/json.h"
#include "base/process.h"
#include "builder/fetch/fetch_listener.h"

namespace imgbuild::builder {
namespace {

std::string own_executable() {
    std::error_code problem;
    auto path = std::filesystem::read_symlink("/proc/self/exe", problem);
    if (problem) throw Error(ErrorKind::unsupported, "find the helper programs: /proc/self/exe cannot be read");
    return path.string();
}

bool asks_to_stop(int signal) noexcept { return signal == SIGINT || signal == SIGTERM || signal == SIGHUP; }

// Where nobody prepared a descriptor to wait for, a request to stop is seen after this many milliseconds.
constexpr int longest_wait = 200;

}  // namespace

struct HelperProgram::Running {
    std::string name;
    Pipe output = make_pipe();
    Pipe said = make_pipe();
    std::unique_ptr<Process> process;
    Json status;
    std::string said_text;  ///< of the descriptor of the status, behind the last note
    bool has_said_all = false;
    bool ended = false;

    void start(Fd input, int data, int tokens) {
        ProcessOptions options;
        options.arguments = {helper_path(own_executable(), name)};
        options.descriptors = {{input.get(), STDIN_FILENO},
                               {output.write_end.get(), STDOUT_FILENO},
                               {said.write_end.get(), helper_status_fd}};
        if (data >= 0) options.descriptors.emplace_back(data, helper_data_fd);
        if (tokens >= 0) options.descriptors.emplace_back(tokens, helper_tokens_fd);
        process = std::make_unique<Process>(Process::start(options));
        output.write_end.reset();
        said.write_end.reset();
    }

    // With what it started: a helper that starts programs has made itself the leader of a group.
    void kill() const noexcept {
        if (!process || process->pid() <= 0) return;
        ::kill(-process->pid(), SIGKILL);
        process->kill(SIGKILL);
    }

    // Blocks until there is something to read from the output or from what is said, or the other end of it is gone.
    // True for the output, which goes first.
    bool wait_for_output(int fd) {
        for (;;) {
            if (cancel_signal() != 0) kill();
            throw_if_cancelled();
            const int notes = has_said_all ? -1 : said.read_end.get();
            std::array<pollfd, 3> watched{pollfd{fd, POLLIN, 0}, pollfd{notes, POLLIN, 0},
                                          pollfd{cancel_fd(), POLLIN, 0}};
            if (::poll(watched.data(), watched.size(), cancel_fd() < 0 ? longest_wait : -1) <= 0) continue;
            if (watched[0].revents != 0) return true;
            if (watched[1].revents != 0) return false;
        }
    }

    // Takes a part of what is said, and passes the notes on.
    void hear() {
        std::array<std::byte, 4096> buffer;
        const std::size_t count = FdReader(said.read_end.get(), name).read(buffer);
        if (count == 0) has_said_all = true;
        said_text += as_text(std::span(buffer).first(count));
        for (std::size_t end; (end = said_text.find('\n')) != std::string::npos; said_text.erase(0, end + 1))
            if (const std::string note = parse_helper_note(std::string_view(said_text).substr(0, end)); !note.empty())
                FetchListener::tell(note);
        if (said_text.size() > max_helper_status_bytes)
            throw Error(ErrorKind::internal, fmt::format("{}: says more than anybody asked", name));
    }

    const std::string& read_status() {
        while (!has_said_all) {
            wait_for_output(-1);
            hear();
        }
        return said_text;
    }

    void end() {
        ended = true;
        const std::string& text = read_status();
        ExitStatus exit = process->wait();
        if (asks_to_stop(exit.signal)) throw Error(ErrorKind::interrupted, "interrupted");
        if (exit.signal != 0)
            throw Error(ErrorKind::internal, fmt::format("{}: ended by signal {}", name, exit.signal));
        status = parse_helper_status(text, name);
        if (!status["ok"].get<bool>()) throw error_of_status(status, name);
        if (!exit.ok()) throw Error(ErrorKind::internal, fmt::format("{}: ended with status {}", name, exit.code));
    }
};

std::string helper_path(const std::string& executable, std::string_view name) {
    std::filesystem::path folder = std::filesystem::path(executable).parent_path();
    std::filesystem::path beside = folder / "libexec/imgbuild" / name;
    std::filesystem::path above = folder.parent_path() / "libexec/imgbuild" / name;
    for (const auto& path : {beside, above})
        if (::access(path.c_str(), X_OK) == 0) return path.string();
    throw Error(ErrorKind::not_found,
                fmt::format("start {}: neither {} nor {} is there", name, beside.string(), above.string()),
                "install imgbuild as a whole: its helper programs lie beside it");
}

HelperProgram::HelperProgram(std::string_view name, Fd input, int data, int tokens)
    : running_(std::make_unique<Running>()) {
    throw_if_cancelled();
    running_->name = name;
    running_->start(std::move(input), data, tokens);
}

HelperProgram::~HelperProgram() {
    if (running_) running_->kill();
}

std::size_t HelperProgram::read(std::span<std::byte> buffer) {
    if (running_->ended || buffer.empty()) return 0;
    int fd = running_->output.read_end.get();
    while (!running_->wait_for_output(fd)) running_->hear();
    std::size_t count = FdReader(fd, running_->name).read(buffer);
    if (count == 0) running_->end();
    return count;
}

const Json& HelperProgram::status() const noexcept { return running_->status; }

bool HelperProgram::says(const char* member) const {
    auto found = running_->status.find(member);
    return found != running_->status.end() && *found == true;
}

Fd text_as_input(std::string_view text) {
    Fd file(::memfd_create("imgbuild-request", MFD_CLOEXEC));
    if (!file) throw_errno("make", "a request");
    FdWriter(file.get(), "a request").write(as_bytes(text));
    if (::lseek(file.get(), 0, SEEK_SET) < 0) throw_errno("rewind", "a request");
    return file;
}

}  // namespace imgbuild::builder
