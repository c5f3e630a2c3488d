// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/single/task_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/image_path.h"
#include "builder/sandbox/intercept/special_path.h"

namespace imgbuild::builder {
namespace {

std::string without_trailing_slashes(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

}  // namespace

void TaskFiles::prepare() {
    if (::chdir("/proc") < 0) throw_errno("enter", "/proc");
}

TaskFiles::TaskFiles(pid_t task, bool has_other_root) : task_(task) {
    if (!has_other_root) return;
    const Fd root(::open(fmt::format("{}/root", task).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    Fd ours(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    proc_ = Fd(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root || !ours || !proc_ || ::fchdir(root.get()) < 0) throw_errno("enter", "the root of a task");
    our_root_ = std::move(ours);
    const int changed = ::chroot(".");
    if (::fchdir(proc_.get()) < 0 || changed < 0) throw_errno("enter", "the root of a task");
}

TaskFiles::~TaskFiles() {
    if (!our_root_) return;
    // Only a process that lost its right to do so could fail here: no answer of it would be right any more.
    if (::fchdir(our_root_.get()) < 0 || ::chroot(".") < 0 || ::fchdir(proc_.get()) < 0) ::_exit(1);
}

std::string TaskFiles::start_of(const NamedFile& file) const {
    return file.directory == AT_FDCWD ? fmt::format("{}/cwd", task_) : fmt::format("{}/fd/{}", task_, file.directory);
}

// What the task calls /proc/self is not ours.
std::optional<std::string> TaskFiles::own_name_in_proc(const NamedFile& file) const {
    if (!file.path.starts_with("/proc/") && !file.path.starts_with("/dev/")) return std::nullopt;
    const SpecialPath special = special_path(ImagePath::clean(file.path), file.follows);
    if (special.kind != SpecialPath::Kind::task || (special.who != "self" && special.who != "thread-self"))
        return std::nullopt;
    return fmt::format("{}/{}", task_, special.rest);
}

std::string TaskFiles::path_of(const NamedFile& file) const {
    if (file.path.empty()) return start_of(file);
    if (!file.path.starts_with('/')) return start_of(file) + "/" + file.path;
    return own_name_in_proc(file).value_or(file.path);
}

layerstore::LastLink TaskFiles::last_link_of(const NamedFile& file) noexcept {
    return file.follows || file.path.empty() ? layerstore::LastLink::followed : layerstore::LastLink::meant;
}

Fd TaskFiles::open(const NamedFile& file) const {
    const int flags = O_PATH | O_CLOEXEC;
    if (file.path.empty()) return Fd(::open(start_of(file).c_str(), flags));
    const int wanted = flags | (file.follows ? 0 : O_NOFOLLOW);
    if (!file.path.starts_with('/')) {
        const Fd start(::open(start_of(file).c_str(), flags | O_DIRECTORY));
        return start ? open_safely(start.get(), file.path, wanted) : Fd();
    }
    Fd found = open_safely(AT_FDCWD, file.path, wanted);
    if (found || errno != ELOOP) return found;
    NamedFile meant = file;
    std::string target(ImagePath::max_bytes, '\0');
    const ssize_t length = ::readlink(file.path.c_str(), target.data(), target.size());
    target.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    // One link that leads there, as /var/log/access.log → /dev/stdout.
    if (target.starts_with("/dev/") || target.starts_with("/proc/")) meant.path = target;
    errno = ELOOP;
    const auto name = own_name_in_proc(meant);
    return name ? Fd(::open(name->c_str(), wanted)) : Fd();
}

NamedFile TaskFiles::parent_of(const NamedFile& file) {
    const std::string path = without_trailing_slashes(file.path);
    const std::size_t slash = path.rfind('/');
    NamedFile parent{file.directory, ".", true};
    if (slash == 0) parent.path = "/";
    if (slash != 0 && slash != std::string::npos) parent.path = path.substr(0, slash);
    return parent;
}

Fd TaskFiles::open_parent(const NamedFile& file, std::string& name) const {
    const std::string path = without_trailing_slashes(file.path);
    const std::size_t slash = path.rfind('/');
    name = slash == std::string::npos ? path : path.substr(slash + 1);
    if (name == "." || name == "..") name.clear();
    return open(parent_of(file));
}

std::string TaskFiles::path_of_own(int fd) { return fmt::format("self/fd/{}", fd); }

Fd open_safely(int directory, const std::string& path, int flags, mode_t mode) noexcept {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags)) | O_CLOEXEC;
    how.mode = mode;
    how.resolve = RESOLVE_NO_MAGICLINKS;
    return Fd(static_cast<int>(::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how)));
}

}  // namespace imgbuild::builder
