// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/network/uplink_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr const char* socket_name = "uplink";
constexpr int given_number = 3;
constexpr int out_of_the_way = 10;  // of the numbers that the program gets
constexpr std::size_t last_words_limit = 4096;
// slirp does not say when it listens: it is asked every two milliseconds.
constexpr int connect_attempts = 2500;
constexpr timespec connect_pause{0, 2'000'000};

// Confined, slirp4netns sees /etc and /run alone: its resolver has to be named there.
bool resolver_can_be_confined() {
    std::array<char, PATH_MAX> target{};
    if (!::realpath("/etc/resolv.conf", target.data())) return true;  // there is none to be read
    const std::string_view path(target.data());
    return path.starts_with("/etc/") || path.starts_with("/run/");
}

std::pair<Fd, Fd> stream_pair() {
    std::array<int, 2> ends{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) throw_errno("make", "a socket");
    return {Fd(ends[0]), Fd(ends[1])};
}

// In the child that becomes the program.
[[noreturn]] void execute(std::vector<std::string>& arguments, const std::string& folder, int given, int said) {
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    std::array<char*, 1> environment{nullptr};
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    const int kept = ::fcntl(given, F_DUPFD_CLOEXEC, out_of_the_way);
    const int words = ::fcntl(said, F_DUPFD_CLOEXEC, out_of_the_way);
    if (null >= 0 && kept >= 0 && words >= 0 && ::chdir(folder.c_str()) == 0 && ::dup2(null, 0) == 0 &&
        ::dup2(null, 1) == 1 && ::dup2(words, 2) == 2 && ::dup2(kept, given_number) == given_number &&
        ::close_range(given_number + 1, ~0U, 0) == 0)
        ::execve(pointers[0], pointers.data(), environment.data());
    const std::string reason = fmt::format("cannot be started ({})", strerrordesc_np(errno));
    [[maybe_unused]] const ssize_t ignored = ::write(2, reason.data(), reason.size());
    ::_exit(127);
}

// The first process of the namespace: with it everything in it ends.
[[noreturn]] void keep(std::vector<std::string>& arguments, const std::string& folder, int given, int said) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    ::prctl(PR_SET_NAME, "imgbuild-uplink", 0, 0, 0);
    const pid_t program = ::fork();
    if (program == 0) execute(arguments, folder, given, said);
    ::close_range(0, ~0U, 0);
    while (program > 0 && ::waitpid(program, nullptr, 0) < 0 && errno == EINTR) {
    }
    ::_exit(0);
}

}  // namespace

UplinkProcess::UplinkProcess(const UplinkProgram& program, bool has_ipv6, const std::string& folder)
    : said_(::memfd_create("imgbuild-uplink", MFD_CLOEXEC)) {
    if (!said_) throw_errno("make", "a file in memory");
    auto [ours, theirs] = stream_pair();
    const std::string socket_path = folder + "/" + socket_name;
    ::unlink(socket_path.c_str());  // of an earlier one
    start(program, has_ipv6, folder, std::move(theirs));
    if (program.kind == UplinkKind::passt) {
        port_.emplace(std::move(ours), FramePort::Framing::lengths);
        return;
    }
    lifeline_ = std::move(ours);
    try {
        port_.emplace(connect(folder));
    } catch (const Error&) {
        end();
        throw;
    }
    ::unlink(socket_path.c_str());
}

UplinkProcess::~UplinkProcess() { end(); }

void UplinkProcess::start(const UplinkProgram& program, bool has_ipv6, const std::string& folder, Fd given) {
    auto arguments = uplink_arguments(program, has_ipv6, given_number, socket_name);
    if (!resolver_can_be_confined()) std::erase(arguments, "--enable-sandbox");
    const long pid = ::syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid == 0) keep(arguments, folder, given.get(), said_.get());
    if (pid < 0) throw_errno("start", program.path);
    keeper_ = static_cast<pid_t>(pid);
}

// By way of a descriptor: the path of the folder may be longer than the name of a socket.
FramePort UplinkProcess::connect(const std::string& folder) {
    const Fd place(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!place || !socket) throw_errno("connect to", "slirp4netns");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    fmt::format("/proc/self/fd/{}/{}", place.get(), socket_name).copy(address.sun_path, sizeof address.sun_path - 1);
    for (int left = connect_attempts; left > 0; --left) {
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
            return {std::move(socket), FramePort::Framing::messages};
        if (::waitpid(keeper_, nullptr, WNOHANG) == keeper_) {
            keeper_ = -1;
            throw Error(ErrorKind::unavailable, last_words());
        }
        ::nanosleep(&connect_pause, nullptr);
    }
    throw Error(ErrorKind::unavailable, "it does not listen");
}

std::string UplinkProcess::last_words() const {
    std::array<char, last_words_limit> bytes{};
    const off_t size = ::lseek(said_.get(), 0, SEEK_END);
    const off_t from = std::max<off_t>(0, size - static_cast<off_t>(bytes.size()));
    const ssize_t count = ::pread(said_.get(), bytes.data(), bytes.size(), from);
    const std::string_view text = trim(std::string_view(bytes.data(), count > 0 ? static_cast<std::size_t>(count) : 0));
    return text.empty() ? "it ended" : printable(text.substr(text.rfind('\n') + 1));
}

void UplinkProcess::end() noexcept {
    if (keeper_ <= 0) return;
    ::kill(keeper_, SIGKILL);
    while (::waitpid(keeper_, nullptr, 0) < 0 && errno == EINTR) {
    }
    keeper_ = -1;
}

}  // namespace imgbuild::builder
