// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/mount_targets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <string>

#include "base/error.h"
#include "base/stream.h"
#include "base/text.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::builder {
namespace {

constexpr int max_target_links = 40;

void set_times(const Directory& root, const ImagePath& path, const FileTimes& times) {
    Fd object = root.open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, FollowLinks::never);
    if (::futimens(object.get(), times.data()) < 0) throw_errno("set times of", path.absolute());
}

// Below these every link is the kernel's or ours, and none is followed.
bool is_below_system(const ImagePath& path) {
    for (std::string_view place : {"/dev/", "/proc/", "/sys/"})
        if (path.bytes().starts_with(place)) return true;
    return false;
}

std::string read_link(const Directory& root, const ImagePath& path) {
    Fd parent = root.open(path.parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
    std::string target(ImagePath::max_bytes, '\0');
    std::string name(path.name());
    ssize_t length = ::readlinkat(parent.get(), name.c_str(), target.data(), target.size());
    if (length < 0) throw_errno("read link", path.absolute());
    target.resize(static_cast<std::size_t>(length));
    return target;
}

}  // namespace

struct stat status_of(int fd, const std::string& name) {
    struct stat status {};
    if (::fstat(fd, &status) < 0) throw_errno("stat", name);
    return status;
}

bool is_directory(int fd, const std::string& name) { return S_ISDIR(status_of(fd, name).st_mode); }

FileTimes times_of(int fd, const std::string& name) {
    struct stat status = status_of(fd, name);
    return {status.st_atim, status.st_mtim};
}

bool is_system(const ImagePath& path) {
    return is_below_system(path) || path.bytes() == "/dev" || path.bytes() == "/proc" || path.bytes() == "/sys";
}

Fd MountTargets::open(const ImagePath& target, bool strict, bool is_dir) {
    auto found = root_.try_open(target, O_PATH, strict ? FollowLinks::never : FollowLinks::inside);
    Fd place = found ? std::move(*found)
                     : make_missing(resolve(target, strict), is_dir, [this](const ImagePath& path, bool is_folder) {
                           return remember_stub(path, is_folder);
                       });
    if (is_directory(place.get(), target.absolute()) != is_dir)
        throw Error(ErrorKind::invalid_input,
                    fmt::format("mount: {}: the image has {} there", printable(target.absolute()),
                                is_dir ? "no directory" : "a directory"));
    return place;
}

bool MountTargets::put_file(const ImagePath& target, const std::string& content) {
    const ImagePath real = resolve(target, false);
    const Fd found = open(real.parent(), true, true);
    const std::string what = printable(target.absolute());
    if (status_of(found.get(), what).st_dev != status_of(root_.fd(), "the root").st_dev) return false;
    const Directory parent = root_.open_directory(real.parent(), FollowLinks::never);
    const std::string name(real.name());
    const FileTimes before = times_of(parent.fd(), what);
    if (::unlinkat(parent.fd(), name.c_str(), 0) < 0 && errno == EISDIR)
        throw Error(ErrorKind::invalid_input, fmt::format("mount: {}: the image has a directory there", what));
    const Fd file(::openat(parent.fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!file) throw_errno("make file", what);
    FdWriter(file.get(), what).write(as_bytes(content));
    if (::futimens(file.get(), constant_times.data()) < 0) throw_errno("set times of", what);
    remember_stub(real, false, content);
    if (::futimens(parent.fd(), before.data()) < 0) throw_errno("set times of", real.parent().absolute());
    return true;
}

ImagePath MountTargets::resolve(const ImagePath& target, bool strict) const {
    if (strict) return target;
    std::deque<std::string> left;
    for (std::string_view part : target.components()) left.emplace_back(part);
    ImagePath real;
    int links = 0;
    while (!left.empty()) {
        std::string part = std::move(left.front());
        left.pop_front();
        if (part.empty() || part == ".") continue;
        if (part == "..") {
            real = real.parent();
            continue;
        }
        ImagePath next = real.child(part);
        auto status = root_.status(next);
        if (!status || !S_ISLNK(status->st_mode)) {
            real = std::move(next);
            continue;
        }
        if (++links > max_target_links)
            throw Error(ErrorKind::invalid_input,
                        fmt::format("mount: {}: too many levels of links", printable(target.absolute())));
        std::string link = read_link(root_, next);
        if (link.starts_with('/')) real = ImagePath();
        std::vector<std::string_view> more = split(link, '/');
        left.insert(left.begin(), more.begin(), more.end());
    }
    return real;
}

Fd MountTargets::open_or_make_directory(const ImagePath& path, const Credentials& owner) {
    if (auto found = root_.try_open(path, O_PATH | O_DIRECTORY, FollowLinks::inside)) return std::move(*found);
    ImagePath real = resolve(path, false);
    if (!is_system(real)) {
        Fd made = make_missing(real, true, [&](const ImagePath& part, bool) {
            Fd folder = root_.open(part, O_RDONLY | O_DIRECTORY, FollowLinks::never);
            layerstore::set_owner(folder.get(), owner.uid, owner.gid, spelling_, part.absolute());
            return true;
        });
        if (is_directory(made.get(), real.absolute())) return made;
    }
    throw Error(ErrorKind::not_found,
                fmt::format("enter working directory: {}: no such directory in the image", printable(path.absolute())),
                "choose another one with WORKDIR");
}

Fd MountTargets::make_missing(const ImagePath& path, bool is_dir, const WhenMade& when_made) {
    Fd here = root_.open(ImagePath(), O_PATH | O_DIRECTORY, FollowLinks::never);
    ImagePath so_far;
    for (std::string_view part : path.components()) {
        so_far = so_far.child(part);
        bool last = so_far == path;
        if (auto found = root_.try_open(so_far, O_PATH, FollowLinks::never)) {
            here = std::move(*found);
            continue;
        }
        FileTimes before = times_of(here.get(), so_far.absolute());
        std::string name(part);
        if (!last || is_dir) {
            // In a shared cache mount another command may be faster.
            if (::mkdirat(here.get(), name.c_str(), 0755) < 0 && errno != EEXIST)
                throw_errno("make directory", so_far.absolute());
        } else {
            Fd made(::openat(here.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
            if (!made) throw_errno("make file", so_far.absolute());
        }
        if (when_made(so_far, !last || is_dir)) {
            // What a command sees of the image's times does not tell when it ran.
            set_times(root_, so_far, constant_times);
            set_times(root_, so_far.parent(), before);
        }
        here = root_.open(so_far, O_PATH, FollowLinks::never);
    }
    return here;
}

// Only what lies in the upper directory can end up in the layer; a mount point inside a cache mount cannot.
bool MountTargets::remember_stub(const ImagePath& path, bool is_dir, const std::string& content) {
    if (is_below_system(path)) return false;
    auto found = upper_.try_open(path, O_PATH, FollowLinks::never);
    if (!found) return false;
    struct stat status = status_of(found->get(), path.absolute());
    stubs_.push_back({path, status.st_dev, status.st_ino, is_dir, content});
    return true;
}

bool holds(int parent, const std::string& name, std::string_view content) {
    const Fd file(::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return false;
    const struct stat status = status_of(file.get(), name);
    if (!S_ISREG(status.st_mode) || static_cast<std::size_t>(status.st_size) != content.size()) return false;
    return read_file(file.get(), content.size(), name) == content;
}

void remove_stubs(const Directory& upper, const std::vector<MountStub>& stubs) {
    for (auto stub = stubs.rbegin(); stub != stubs.rend(); ++stub) {
        std::optional<Fd> parent;
        try {
            parent = upper.try_open(stub->path.parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::invalid_input) throw;
            continue;  // the command put a link there: what is behind it is not what was made
        }
        if (!parent) continue;
        std::string name(stub->path.name());
        struct stat status {};
        if (::fstatat(parent->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno != ENOENT) throw_errno("look at mount point", stub->path.absolute());
            continue;
        }
        if (status.st_dev != stub->device || status.st_ino != stub->inode) continue;
        if (!stub->is_directory && !holds(parent->get(), name, stub->content)) continue;
        if (::unlinkat(parent->get(), name.c_str(), stub->is_directory ? AT_REMOVEDIR : 0) < 0 && errno != ENOTEMPTY)
            throw_errno("remove mount point", stub->path.absolute());
    }
}

}  // namespace imgbuild::builder
