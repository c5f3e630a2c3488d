// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/command.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>

#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr int not_found_code = 127;
constexpr int not_executable_code = 126;
constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (const std::string& string : strings) out.push_back(const_cast<char*>(string.c_str()));
    out.push_back(nullptr);
    return out;
}

void take_descriptors(const CommandDescriptors& descriptors) {
    if (::dup2(descriptors.input, 0) < 0 || ::dup2(descriptors.output, 1) < 0 || ::dup2(descriptors.error, 2) < 0)
        throw_errno("set up", "standard streams");
    if (::fchdir(descriptors.working_directory) < 0) throw_errno("enter", "the working directory");
    // A directory that lies outside the root shows as "(unreachable)": it would be a way out.
    std::array<char, 4097> here{};
    if (!::getcwd(here.data(), here.size()) || here[0] != '/')
        throw Error(ErrorKind::internal, "enter the working directory: it lies outside the image");
    if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) throw_errno("close", "inherited descriptors");
}

void enter_root(int root) {
    if (::fchdir(root) < 0 || ::chroot(".") < 0) throw_errno("change", "the root directory");
}

// What holds the command apart from its identity.
void confine(const RunSpec& spec, const Confinement& confinement) {
    if (spec.security == SecurityMode::insecure) return;
    if (confinement.root >= 0) {
        keep_below(confinement.root);
        if (spec.network == NetworkMode::none) close_network();
    } else if (!has_own_network(spec.network) || !spec.own_processes) {
        close_scopes();
    }
}

void reset_signals() {
    for (int signal = 1; signal < NSIG; ++signal)
        if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

std::string_view path_of(const RunSpec& spec) {
    for (std::string_view variable : spec.environment)
        if (variable.starts_with("PATH=")) return variable.substr(5);
    return default_path;
}

// The files that could be meant, in order: as execvp(3) looks for them.
std::vector<std::string> candidates(const RunSpec& spec) {
    const std::string& name = spec.arguments.at(0);
    std::vector<std::string> found;
    if (name.find('/') != std::string::npos) {
        found.push_back(name);
    } else {
        for (std::string_view folder : split(path_of(spec), ':'))
            found.push_back(std::string(folder.empty() ? "." : folder) + "/" + name);
    }
    found.insert(found.end(), spec.stand_ins.begin(), spec.stand_ins.end());
    return found;
}

std::string reason_for(const std::string& file, int problem) {
    switch (problem) {
        case ENOENT: return "the file is there, but the interpreter that it names (#! line or dynamic loader) is not";
        case ENOEXEC: return "not a program of this architecture, nor a script with a #! line";
        case EACCES: {
            struct stat status {};
            if (::stat(file.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return "is a directory";
            return "permission denied: is it executable?";
        }
        default: return std::string(strerrordesc_np(problem) ? strerrordesc_np(problem) : "unknown error");
    }
}

[[noreturn]] void say_and_exit(const std::string& line, int code) {
    std::string text = "imgbuild: " + line + "\n";
    [[maybe_unused]] ssize_t ignored = ::write(2, text.data(), text.size());
    ::_exit(code);
}

[[noreturn]] void execute(const RunSpec& spec) {
    auto arguments = pointers(spec.arguments);
    auto environment = pointers(spec.environment);
    std::string refused;
    int problem = 0;
    const std::vector<std::string> files = candidates(spec);
    for (std::size_t i = 0; i < files.size(); ++i) {
        const std::string& file = files[i];
        const bool is_stand_in = files.size() - i <= spec.stand_ins.size();
        if (is_stand_in) arguments[0] = const_cast<char*>(file.c_str());  // a program of many looks what it is called
        ::execve(file.c_str(), arguments.data(), environment.data());
        int why = errno;
        bool stands = ::access(file.c_str(), F_OK) == 0;
        if (!stands && (why == ENOENT || why == ENOTDIR)) continue;
        if (problem == 0) {
            refused = file;
            problem = why;
        }
        if (why != EACCES && spec.stand_ins.empty()) break;
    }
    std::string name = printable(spec.arguments[0]);
    if (problem != 0)
        say_and_exit(fmt::format("{}: {}", printable(refused), reason_for(refused, problem)),
                     problem == ENOENT ? not_found_code : not_executable_code);
    bool has_path = name.find('/') != std::string::npos;
    say_and_exit(has_path ? fmt::format("{}: no such file in the image", name)
                          : fmt::format("{}: not found in the image (PATH is {})", name, printable(path_of(spec))),
                 not_found_code);
}

}  // namespace

void become_command(const RunSpec& spec, const CommandDescriptors& descriptors, const Confinement& confinement,
                    const std::function<void(const Error&)>& report) {
    try {
        ::setsid();
        ::umask(022);
        if (confinement.root >= 0) enter_root(confinement.root);
        take_descriptors(descriptors);
        if (spec.terminal && ::ioctl(0, TIOCSCTTY, 0) < 0) throw_errno("take", "the terminal");
        set_limits(spec.limits, confinement.identity);
        reset_signals();
        confine(spec, confinement);
        if (confinement.hand_over_calls) confinement.hand_over_calls();
        take_identity(spec.credentials, spec.security, confinement.identity);
        execute(spec);
    } catch (const Error& error) {
        try {
            report(error);
        } catch (const Error&) {
            // Nobody is left to tell.
        }
    }
    ::_exit(not_executable_code);
}

}  // namespace imgbuild::builder
