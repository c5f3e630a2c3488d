// SPDX-License-Identifier: Apache-2.0
#include "base/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <deque>

#include "base/error.h"
#include "base/input_limits.h"
#include "base/stream.h"

namespace imgbuild {
namespace {

std::atomic<bool> openat2_disabled{false};

std::string read_link(int directory, const std::string& name) {
    std::string target(ImagePath::max_bytes + 1, '\0');
    ssize_t length = ::readlinkat(directory, name.c_str(), target.data(), target.size());
    if (length < 0) return {};
    target.resize(static_cast<std::size_t>(length));
    return target;
}

std::deque<std::string> split_components(std::string_view path) {
    std::deque<std::string> parts;
    while (!path.empty()) {
        std::size_t end = std::min(path.find('/'), path.size());
        if (end > 0) parts.emplace_back(path.substr(0, end));
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return parts;
}

// What openat2(RESOLVE_IN_ROOT) does, component by component; -1 with errno like it. The stack holds the way
// down, so that ".." is the parent we came through and never one that somebody moved.
int walk_in_root(int root, std::string_view path, int flags, unsigned mode, bool follow_links) {
    std::vector<Fd> stack;
    std::deque<std::string> parts = split_components(path);
    int links = 0;
    auto here = [&] { return stack.empty() ? root : stack.back().get(); };
    while (!parts.empty()) {
        std::string name = std::move(parts.front());
        parts.pop_front();
        if (name == ".") continue;
        if (name == "..") {
            if (!stack.empty()) stack.pop_back();
            continue;
        }
        bool last = parts.empty();
        std::string target = read_link(here(), name);
        bool take_link = last && (flags & O_NOFOLLOW) != 0;
        if (!target.empty() && !take_link) {
            if (!follow_links || ++links > limits::followed_links) return errno = ELOOP, -1;
            if (target.front() == '/') stack.clear();
            auto more = split_components(target);
            parts.insert(parts.begin(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
            continue;
        }
        if (last) return open_at(here(), name.c_str(), flags | O_NOFOLLOW, mode).release();
        Fd next = open_at(here(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
        if (!next) return -1;
        stack.push_back(std::move(next));
    }
    return open_at(here(), ".", flags, mode).release();
}

int open_in_root(int root, const std::string& path, int flags, unsigned mode, bool follow_links) {
    if (!openat2_disabled) {
        open_how how{};
        how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
        how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
        how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (follow_links ? 0 : RESOLVE_NO_SYMLINKS);
        // EAGAIN: something was renamed during the walk; the kernel asks to try again.
        for (int tries = 0; tries < 64; ++tries) {
            long fd = ::syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how);
            if (fd >= 0) return static_cast<int>(fd);
            if (errno == ENOSYS || errno == EPERM) break;
            if (errno != EAGAIN && errno != EINTR) return -1;
        }
        if (errno != ENOSYS && errno != EPERM) return -1;
    }
    return walk_in_root(root, path, flags, mode, follow_links);
}

std::vector<std::string> names_in(int fd, const std::string& what) {
    int copy = open_at(fd, ".", O_RDONLY | O_DIRECTORY).release();
    if (copy < 0) throw_errno("list", what);
    DIR* stream = ::fdopendir(copy);
    if (!stream) {
        Fd discard(copy);
        throw_errno("list", what);
    }
    std::vector<std::string> names;
    errno = 0;
    while (dirent* entry = ::readdir(stream)) {
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    int problem = errno;
    ::closedir(stream);
    if (problem != 0) throw_errno("list", what, problem);
    return names;
}

}  // namespace

std::string random_name() {
    std::uint64_t value = 0;
    if (::getrandom(&value, sizeof value, 0) != sizeof value) throw_errno("read", "random numbers");
    return fmt::format("{:016x}", value);
}

void set_openat2_disabled(bool disabled) noexcept { openat2_disabled = disabled; }

Directory Directory::open_host(const std::string& path) {
    Fd fd = open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY);
    if (!fd) throw_errno("open directory", path);
    return Directory(std::move(fd), path);
}

Directory Directory::create_host(const std::string& path) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        std::string prefix = path.substr(0, end);
        if (::mkdir(prefix.c_str(), 0777) < 0 && errno != EEXIST && errno != EISDIR)
            throw_errno("make directory", prefix);
        if (end == std::string::npos) return open_host(path);
    }
}

Fd Directory::open(const ImagePath& path, int flags, FollowLinks follow, unsigned mode) const {
    int fd = -1;
    if (follow == FollowLinks::parents && !path.is_root()) {
        Fd parent(open_in_root(fd_.get(), std::string(path.parent().relative()), O_PATH | O_DIRECTORY, 0, true));
        if (!parent) throw_errno("open", name_ + path.bytes());
        fd = open_at(parent.get(), std::string(path.name()).c_str(), flags | O_NOFOLLOW, mode).release();
    } else {
        fd = open_in_root(fd_.get(), std::string(path.relative()), flags, mode, follow != FollowLinks::never);
    }
    if (fd < 0) throw_errno("open", name_ + path.bytes());
    return Fd(fd);
}

std::optional<Fd> Directory::try_open(const ImagePath& path, int flags, FollowLinks follow) const {
    try {
        return open(path, flags, follow);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found) throw;
        return std::nullopt;
    }
}

Directory Directory::open_directory(const ImagePath& path, FollowLinks follow) const {
    return Directory(open(path, O_RDONLY | O_DIRECTORY, follow), name_ + path.bytes());
}

Directory Directory::make_directory(const ImagePath& path) const {
    Directory here = duplicate();
    ImagePath so_far;
    for (std::string_view part : path.components()) {
        std::string name(part);
        so_far = so_far.child(part);
        if (::mkdirat(here.fd(), name.c_str(), 0777) < 0 && errno != EEXIST)
            throw_errno("make directory", name_ + so_far.bytes());
        here = open_directory(so_far, FollowLinks::inside);
    }
    return here;
}

std::optional<struct stat> Directory::status(const ImagePath& path) const {
    struct stat result {};
    if (path.is_root()) {
        if (::fstat(fd_.get(), &result) < 0) throw_errno("stat", name_);
        return result;
    }
    std::optional<Fd> parent;
    if (const ImagePath above = path.parent(); !above.is_root()) {
        parent = try_open(above, O_PATH | O_DIRECTORY, FollowLinks::inside);
        if (!parent) return std::nullopt;
    }
    const int folder = parent ? parent->get() : fd_.get();
    if (::fstatat(folder, std::string(path.name()).c_str(), &result, AT_SYMLINK_NOFOLLOW) == 0) return result;
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw_errno("stat", name_ + path.bytes());
}

std::string Directory::read_file(const ImagePath& path, std::uint64_t limit) const {
    // O_NONBLOCK: a fifo planted at the path must not hang us.
    Fd fd = open(path, O_RDONLY | O_NONBLOCK, FollowLinks::inside);
    struct stat status {};
    if (::fstat(fd.get(), &status) < 0) throw_errno("stat", name_ + path.bytes());
    if (!S_ISREG(status.st_mode))
        throw Error(ErrorKind::invalid_input, fmt::format("read: {}{}: not a regular file", name_, path.bytes()));
    return imgbuild::read_file(fd.get(), limit, name_ + path.bytes());
}

std::vector<std::string> Directory::list() const { return names_in(fd_.get(), name_); }

void Directory::remove_tree(std::string_view name) const {
    // Depth first with a stack of our own: hostile trees are deeper than a thread's stack, and paths longer
    // than PATH_MAX.
    struct Level {
        Fd fd;
        std::string name;
        std::vector<std::string> left;
    };
    auto enter = [&](int parent, const std::string& child) {
        Fd fd = open_at(parent, child.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (!fd && errno == EACCES && ::fchmodat(parent, child.c_str(), 0700, 0) == 0)
            fd = open_at(parent, child.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (!fd) throw_errno("remove", name_ + "/" + child);
        if (::faccessat(fd.get(), ".", W_OK | X_OK, AT_EACCESS) < 0) ::fchmod(fd.get(), 0700);
        std::vector<std::string> names = names_in(fd.get(), child);
        return Level{std::move(fd), child, std::move(names)};
    };
    std::string first(name);
    if (::unlinkat(fd_.get(), first.c_str(), 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR && errno != EPERM) throw_errno("remove", name_ + "/" + first);
    std::vector<Level> levels;
    levels.push_back(enter(fd_.get(), first));
    while (!levels.empty()) {
        Level& level = levels.back();
        if (level.left.empty()) {
            int parent = levels.size() > 1 ? levels[levels.size() - 2].fd.get() : fd_.get();
            if (::unlinkat(parent, level.name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT)
                throw_errno("remove", name_ + "/" + level.name);
            levels.pop_back();
            continue;
        }
        std::string child = std::move(level.left.back());
        level.left.pop_back();
        if (::unlinkat(level.fd.get(), child.c_str(), 0) == 0 || errno == ENOENT) continue;
        if (errno != EISDIR && errno != EPERM) throw_errno("remove", name_ + "/" + child);
        levels.push_back(enter(level.fd.get(), child));
    }
}

}  // namespace imgbuild
