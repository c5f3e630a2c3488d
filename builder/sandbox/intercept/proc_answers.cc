// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/intercept/proc_answers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "builder/sandbox/intercept/part_links.h"
#include "builder/sandbox/leftovers.h"

namespace imgbuild::builder {
namespace {

using Wish = PathCall::Wish;

constexpr int max_hops = 40;
constexpr std::size_t max_ancestors = 1000;

template <class Value>
std::span<const std::byte> bytes_of(const Value& value) {
    return std::as_bytes(std::span(&value, 1));
}

AsFileUser as_user_of(const Task& task) {
    const auto identity = task.identity();
    return AsFileUser(identity ? identity->file_user : 0, identity ? identity->file_group : 0);
}

bool wants_to_write(int flags) noexcept { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0; }

std::string own_descriptor(int number) { return "self/fd/" + std::to_string(number); }

// Never waits for the other end of a pipe: everybody's answers would wait with it.
Fd open_without_waiting(int directory, const std::string& path, int flags, std::uint32_t mode) {
    Fd file(::openat(directory, path.c_str(), flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode));
    if (file && (flags & O_NONBLOCK) == 0 && (flags & O_PATH) == 0) ::fcntl(file.get(), F_SETFL, flags & ~O_NONBLOCK);
    return file;
}

}  // namespace

ProcAnswers::ProcAnswers(Inputs inputs, int root)
    : calls_(path_calls().begin(), path_calls().end()),
      proc_(Directory::open_host("/proc")),
      sys_(Directory::open_host("/sys")),
      dev_(Directory::open_host("/dev")),
      stand_ins_(inputs.stand_ins),
      hostname_(std::move(inputs.hostname)),
      linked_(std::move(inputs.linked)) {
    calls_.push_back({SYS_uname});
    if (::fchdir(root) < 0 || ::chroot(".") < 0) throw_errno("change", "the root directory");
}

CallAnswer ProcAnswers::answer(const WaitingCall& call, const CallListener& listener) {
    const Task task(call.task, &proc_);
    if (call.data.nr == SYS_uname) return machine_name(task, call);
    std::optional<PathCall> path = path_call_of(call);
    if (!path) return CallAnswer::proceed();
    if (path->wish == Wish::open_how) {
        std::array<std::uint64_t, 2> how{};  // the flags and the mode that the structure begins with
        if (!task.read(path->buffer, std::as_writable_bytes(std::span(how)))) return CallAnswer::proceed();
        path->flags = static_cast<int>(how[0]);
        path->mode = static_cast<std::uint32_t>(how[1]);
    }
    if (!listener.is_waiting(call)) return CallAnswer::proceed();
    return answer_path(call, task, *path);
}

CallAnswer ProcAnswers::answer_path(const WaitingCall&, const Task& task, PathCall call) {
    const std::optional<std::string> path = task.read_string(call.path);
    if (!path || path->empty()) return CallAnswer::proceed();
    const Found found = find(task, call.directory, *path, call.follows());
    if (!found) {
        if (!linked_.empty()) part_links(task, call, *path);
        return CallAnswer::proceed();
    }
    if (found.problem != 0) return CallAnswer::fail(found.problem);
    switch (call.wish) {
        case Wish::open:
        case Wish::open_how: return open(task, call, found);
        case Wish::status:
        case Wish::extended_status: return status(task, call, found);
        default: break;
    }
    if (!found.place) return CallAnswer::proceed();
    const Place& place = *found.place;
    if (call.wish == Wish::read_link) return read_link(task, call, place);
    if (call.wish == Wish::link) return link(task, call, place);
    if (call.wish == Wish::execute) return execute(task, call, place);
    const AsFileUser as_user = as_user_of(task);
    if (call.wish == Wish::mode)
        return CallAnswer::of_result(::fchmodat(place.directory, place.path.c_str(), call.mode, 0));
    return CallAnswer::of_result(
        ::faccessat(place.directory, place.path.c_str(), static_cast<int>(call.mode), AT_EACCESS | call.flags));
}

// Follows what the kernel would follow as far as it must, to see whether it leads to something special.
ProcAnswers::Found ProcAnswers::find(const Task& task, int directory, std::string path, bool follows) const {
    for (int hop = 0; hop < max_hops; ++hop) {
        std::string from_root = path;
        const bool is_relative = !path.starts_with('/');
        if (is_relative) {
            const auto start = task.link(directory == AT_FDCWD ? "cwd" : "fd/" + std::to_string(directory));
            if (!start || !start->starts_with('/')) return {};
            from_root = *start + "/" + path;
        }
        if (const auto special = find_special(task, ImagePath::clean(from_root), follows)) return *special;
        const Fd start = is_relative ? start_of(task, directory) : Fd();
        if (is_relative && !start) return {};
        Found found = look(start, path, follows);
        if (found || !follows || errno != ENOENT) return found;
        // It leads nowhere, perhaps because the kernel does not see what we see.
        std::string target(ImagePath::max_bytes, '\0');
        const int base = is_relative ? start.get() : AT_FDCWD;
        const ssize_t length = ::readlinkat(base, path.c_str(), target.data(), target.size());
        if (length < 0) return {};
        target.resize(static_cast<std::size_t>(length));
        path = target.starts_with('/') ? target : path.substr(0, path.rfind('/') + 1) + target;
    }
    return {};
}

Fd ProcAnswers::start_of(const Task& task, int directory) const {
    return task.open_link(directory == AT_FDCWD ? "cwd" : "fd/" + std::to_string(directory), O_PATH | O_DIRECTORY);
}

// What the kernel sees there, if one of our own files is it; errno says why nothing is.
ProcAnswers::Found ProcAnswers::look(const Fd& start, const std::string& path, bool follows) const {
    struct stat status {};
    const int base = start ? start.get() : AT_FDCWD;
    if (::fstatat(base, path.c_str(), &status, follows ? 0 : AT_SYMLINK_NOFOLLOW) < 0) return {};
    for (const StandIn& one : stand_ins_)
        if (one.device == status.st_dev && one.inode == status.st_ino) return {std::nullopt, &one, 0};
    errno = 0;
    return {};
}

std::optional<ProcAnswers::Found> ProcAnswers::find_special(const Task& task, const ImagePath& path,
                                                            bool follows) const {
    const SpecialPath special = special_path(path, follows);
    switch (special.kind) {
        case SpecialPath::Kind::none: return std::nullopt;
        case SpecialPath::Kind::processes: show_processes(); return std::nullopt;
        case SpecialPath::Kind::machine: return Found{Place{proc_.fd(), special.rest, true}};
        case SpecialPath::Kind::system: return Found{Place{sys_.fd(), special.rest, true}};
        case SpecialPath::Kind::terminal: return Found{Place{dev_.fd(), special.rest, false}};
        case SpecialPath::Kind::task: break;
    }
    const Found found = find_in_task(task, special);
    return found ? std::optional(found) : std::nullopt;
}

ProcAnswers::Found ProcAnswers::find_in_task(const Task& task, const SpecialPath& path) const {
    std::string number = path.who;
    if (path.who == "self" || path.who == "thread-self") {
        const auto identity = task.identity();
        if (!identity) return {};
        number = std::to_string(identity->process);
        if (path.who == "thread-self") number += "/task/" + std::to_string(task.number());
    } else if (!is_in_sandbox(static_cast<pid_t>(*parse_unsigned(path.who)))) {
        return {std::nullopt, nullptr, ENOENT};
    }
    for (const std::string_view link : {"root", "cwd"}) {
        if (!path.rest.starts_with(std::string(link) + "/")) continue;
        // The links lead into the root that this process has, too.
        return Found{Place{proc_.fd(), number + "/" + path.rest, false}};
    }
    return Found{Place{proc_.fd(), path.rest.empty() ? number : number + "/" + path.rest, false}};
}

bool ProcAnswers::is_in_sandbox(pid_t process) const {
    for (std::size_t generation = 0; generation < max_ancestors; ++generation) {
        const auto identity = Task(process, &proc_).identity();
        if (!identity || identity->parent <= 1) return false;
        if (identity->parent == ::getpid()) return true;
        process = identity->parent;
    }
    return false;
}

// A listing is the kernel's, of the directory in place of /proc: it is given an entry for each process of the sandbox.
void ProcAnswers::show_processes() const {
    const Directory shown = Directory::open_host("/proc");
    std::set<pid_t> missing = descendants_of(::getpid(), parents_of_all(proc_));
    for (const std::string& name : shown.list()) {
        const auto number = parse_unsigned(name);
        if (number && missing.erase(static_cast<pid_t>(*number)) == 0)
            ::unlinkat(shown.fd(), name.c_str(), AT_REMOVEDIR);
    }
    for (const pid_t process : missing) ::mkdirat(shown.fd(), std::to_string(process).c_str(), 0555);
}

CallAnswer ProcAnswers::open(const Task& task, const PathCall& call, const Found& found) const {
    const AsFileUser as_user = as_user_of(task);
    const bool close_on_exec = (call.flags & O_CLOEXEC) != 0;
    if (found.stand_in) {
        if (found.stand_in->read_only && wants_to_write(call.flags)) return CallAnswer::fail(EROFS);
        if (!found.stand_in->content)
            return found.stand_in->read_only ? CallAnswer::proceed() : CallAnswer::fail(ENXIO);
        const int flags = call.flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW);
        Fd file = open_without_waiting(proc_.fd(), own_descriptor(found.stand_in->content.get()), flags, 0);
        return file ? CallAnswer::give(std::move(file), close_on_exec) : CallAnswer::fail(errno);
    }
    if (found.place->read_only && wants_to_write(call.flags)) return CallAnswer::fail(EROFS);
    Fd file = open_without_waiting(found.place->directory, found.place->path, call.flags, call.mode);
    return file ? CallAnswer::give(std::move(file), close_on_exec) : CallAnswer::fail(errno);
}

CallAnswer ProcAnswers::status(const Task& task, const PathCall& call, const Found& found) const {
    if (found.stand_in && !found.stand_in->content) return CallAnswer::proceed();
    const int directory = found.stand_in ? found.stand_in->content.get() : found.place->directory;
    const std::string path = found.stand_in ? "" : found.place->path;
    const int flags = found.stand_in ? AT_EMPTY_PATH : call.flags;
    const AsFileUser as_user = as_user_of(task);
    if (call.wish == Wish::extended_status) {
        struct statx status {};
        if (::statx(directory, path.c_str(), flags, call.mode, &status) < 0) return CallAnswer::fail(errno);
        return task.write(call.buffer, bytes_of(status)) ? CallAnswer::value(0) : CallAnswer::fail(EFAULT);
    }
    struct stat status {};
    if (::fstatat(directory, path.c_str(), &status, flags) < 0) return CallAnswer::fail(errno);
    return task.write(call.buffer, bytes_of(status)) ? CallAnswer::value(0) : CallAnswer::fail(EFAULT);
}

CallAnswer ProcAnswers::read_link(const Task& task, const PathCall& call, const Place& place) const {
    const bool is_self = place.directory == proc_.fd() && parse_unsigned(place.path);
    std::string target = place.path;
    if (!is_self) {
        target.assign(ImagePath::max_bytes, '\0');
        const AsFileUser as_user = as_user_of(task);
        const ssize_t length = ::readlinkat(place.directory, place.path.c_str(), target.data(), target.size());
        if (length < 0) return CallAnswer::fail(errno);
        target.resize(static_cast<std::size_t>(length));
    }
    target.resize(std::min<std::size_t>(target.size(), call.buffer_size));
    if (!task.write(call.buffer, as_bytes(target))) return CallAnswer::fail(EFAULT);
    return CallAnswer::value(static_cast<std::int64_t>(target.size()));
}

// Of what has no name yet: linkat("/proc/self/fd/N") gives it one.
CallAnswer ProcAnswers::link(const Task& task, const PathCall& call, const Place& place) const {
    const auto name = task.read_string(call.new_path);
    if (!name) return CallAnswer::fail(EFAULT);
    const bool is_relative = !name->starts_with('/');
    const Fd start = is_relative ? start_of(task, call.new_directory) : Fd();
    if (is_relative && !start) return CallAnswer::fail(EBADF);
    const AsFileUser as_user = as_user_of(task);
    return CallAnswer::of_result(::linkat(place.directory, place.path.c_str(), start ? start.get() : AT_FDCWD,
                                          name->c_str(), AT_SYMLINK_FOLLOW));
}

// A program cannot be given by descriptor: the name that the task called it by is written over with that of a link to
// it, short enough to fit where "/proc/self/exe" stood.
CallAnswer ProcAnswers::execute(const Task& task, const PathCall& call, const Place& place) {
    std::string target(ImagePath::max_bytes, '\0');
    const ssize_t length = ::readlinkat(place.directory, place.path.c_str(), target.data(), target.size());
    if (length <= 0 || target[0] != '/') return CallAnswer::proceed();
    target.resize(static_cast<std::size_t>(length));
    const std::string name = link_to_program(target);
    const auto old = task.read_string(call.path);
    if (!name.empty() && old && old->size() >= name.size())
        task.overwrite(call.path, std::as_bytes(std::span(name.c_str(), name.size() + 1)));
    return CallAnswer::proceed();
}

// "/proc/.N/exe", so that the program is called as it would be; the link stays, because the process may use the name
// again. Empty where there are too many.
std::string ProcAnswers::link_to_program(const std::string& target) {
    constexpr std::size_t max_programs = 100;
    const auto known = std::ranges::find(programs_, target);
    const std::string folder = fmt::format("/proc/.{}", known - programs_.begin());
    const std::string name = folder + "/exe";
    if (known != programs_.end()) return name;
    if (programs_.size() == max_programs || ::mkdir(folder.c_str(), 0755) < 0) return {};
    if (::symlink(target.c_str(), name.c_str()) < 0) return {};
    programs_.push_back(target);
    return name;
}

CallAnswer ProcAnswers::machine_name(const Task& task, const WaitingCall& call) const {
    utsname name{};
    if (::uname(&name) < 0) return CallAnswer::proceed();
    std::ranges::fill(name.nodename, '\0');
    hostname_.copy(name.nodename, sizeof name.nodename - 1);
    return task.write(call.argument(0), bytes_of(name)) ? CallAnswer::value(0) : CallAnswer::fail(EFAULT);
}

void ProcAnswers::part_links(const Task& task, const PathCall& call, const std::string& path) {
    const bool opens = call.wish == Wish::open || call.wish == Wish::open_how;
    if (!(opens && wants_to_write(call.flags)) && call.wish != Wish::mode) return;
    const bool is_relative = !path.starts_with('/');
    const Fd start = is_relative ? start_of(task, call.directory) : Fd();
    if (is_relative && !start) return;
    const int flags = O_PATH | O_CLOEXEC | (call.follows() ? 0 : O_NOFOLLOW);
    const Fd file(::openat(start ? start.get() : AT_FDCWD, path.c_str(), flags));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) < 0 || status.st_nlink < 2) return;
    if (!linked_.contains({status.st_dev, status.st_ino})) return;
    if (const auto name = Task(::getpid(), &proc_).link("fd/" + std::to_string(file.get())))
        make_own_file(*name, status);
}

}  // namespace imgbuild::builder
