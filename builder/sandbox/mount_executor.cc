// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/mount_executor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>

#include "base/error.h"
#include "base/text.h"
#include "builder/sandbox/mount_calls.h"
#include "layerstore/tree/entry.h"

namespace imgbuild::builder {
namespace {

constexpr int max_links = 40;

struct stat status_of(int fd, const std::string& name) {
    struct stat status {};
    if (::fstat(fd, &status) < 0) throw_errno("stat", name);
    return status;
}

// Of the last access and the last change.
using Times = std::array<timespec, 2>;
constexpr timespec constant_time{layerstore::default_file_time.seconds, 0};
constexpr Times constant_times{constant_time, constant_time};

Times times_of(int fd, const std::string& name) {
    struct stat status = status_of(fd, name);
    return {status.st_atim, status.st_mtim};
}

void set_times(const Directory& root, const ImagePath& path, const Times& times) {
    Fd object = root.open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, FollowLinks::never);
    if (::futimens(object.get(), times.data()) < 0) throw_errno("set times of", path.absolute());
}

bool is_directory(int fd, const std::string& name) { return S_ISDIR(status_of(fd, name).st_mode); }

// Below these every link is the kernel's or ours, and none is followed.
bool is_below_system(const ImagePath& path) {
    for (std::string_view place : {"/dev/", "/proc/", "/sys/"})
        if (path.bytes().starts_with(place)) return true;
    return false;
}
bool is_system(const ImagePath& path) {
    return is_below_system(path) || path.bytes() == "/dev" || path.bytes() == "/proc" || path.bytes() == "/sys";
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

MountExecutor::MountExecutor(const SandboxFolders& folders) : folders_(folders) {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) throw_errno("make private", "all mounts");
    layers_ = Directory::open_host(folders.layers);
    work_ = layers_.open_directory(ImagePath::clean(folders.work_name), FollowLinks::never);
    Fd place = layers_.open(ImagePath::clean(folders.stage), O_PATH | O_DIRECTORY, FollowLinks::never);
    // Devices open here, and where they are bound from here: what else is bound says that none does.
    Fd mount = new_mount("tmpfs", {{"mode", "0700"}, {"noswap", ""}}, {.no_suid = true});
    attach(mount.get(), place.get(), "the stage");
    stage_ = Directory(std::move(mount), "stage");
    for (const char* name : {"files", "devices", "empty"})
        if (::mkdirat(stage_.fd(), name, 0755) < 0) throw_errno("make directory", name);
    // Names of layers are relative to their folder, wherever the store lies.
    if (::fchdir(layers_.fd()) < 0) throw_errno("enter", folders.layers);
}

void MountExecutor::carry_out(const MountPlan& plan) {
    for (const MountOperation& operation : plan) {
        try {
            std::visit([this](const auto& op) { apply(op); }, operation);
        } catch (Error& error) {
            error.add_frame("sandbox: " + std::string(trim(describe({operation}))));
            throw;
        }
    }
}

void MountExecutor::enter_root() {
    if (::fchdir(root_.fd()) < 0) throw_errno("enter", "the new root");
    // Both names are the new root itself: the old one ends on top of it and is taken off at once.
    if (::syscall(SYS_pivot_root, ".", ".") < 0) throw_errno("pivot", "root");
    if (::umount2(".", MNT_DETACH) < 0) throw_errno("detach", "the old root");
    if (::chdir("/") < 0) throw_errno("enter", "the new root");
}

Directory MountExecutor::make_stage(const std::string& name) {
    if (::mkdirat(stage_.fd(), name.c_str(), 0755) < 0) throw_errno("make directory", "stage " + name);
    return stage_.open_directory(ImagePath().child(name), FollowLinks::never);
}

void MountExecutor::apply(const StackLayers& op) {
    Directory place = make_stage(op.stage);
    if (!op.writable && op.lower.size() == 1) {
        Fd layer = layers_.open(ImagePath::clean(op.lower[0]), O_PATH | O_DIRECTORY, FollowLinks::never);
        Fd mount = clone_mount(layer.get(), false, op.lower[0]);
        set_mount_flags(mount.get(), {.read_only = true, .no_dev = op.no_devices}, false);
        attach(mount.get(), place.fd(), "stage " + op.stage);
        return;
    }
    OverlayMount overlay{op.lower, {}, {}, folders_.spelling == layerstore::OverlaySpelling::user, op.no_devices};
    if (op.writable) {
        overlay.upper = fmt::format("{}/upper-{}", folders_.work_name, op.stage);
        overlay.work = fmt::format("{}/work-{}", folders_.work_name, op.stage);
    }
    if (Fd mount = new_overlay(overlay)) {
        attach(mount.get(), place.fd(), "stage " + op.stage);
        return;
    }
    Directory links = make_stage("links-" + op.stage);
    mount_overlay_by_links(overlay, links.fd(), fmt::format("../{}", op.stage));
    if (::fchdir(layers_.fd()) < 0) throw_errno("enter", folders_.layers);
}

void MountExecutor::apply(const UseAsRoot& op) {
    root_ = Directory(stage_.open(ImagePath().child(op.stage), O_PATH | O_DIRECTORY, FollowLinks::never), "");
    upper_ = work_.open_directory(ImagePath().child("upper-" + op.stage), FollowLinks::never);
}

void MountExecutor::apply(const MountNew& op) {
    Fd target = open_target(op.target, op.strict, true);
    attach(new_mount(op.type, op.options, op.flags).get(), target.get(), op.target.absolute());
}

void MountExecutor::apply(const WriteFile& op) {
    Directory files = stage_.open_directory(ImagePath().child("files"), FollowLinks::never);
    Fd file(::openat(files.fd(), op.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) throw_errno("make file", op.name);
    FdWriter(file.get(), op.name).write(as_bytes(op.content));
    if (::fchown(file.get(), op.uid, op.gid) < 0) throw_errno("set owner of", op.name);
    if (::fchmod(file.get(), op.mode) < 0) throw_errno("set mode of", op.name);
    if (::futimens(file.get(), constant_times.data()) < 0) throw_errno("set times of", op.name);
}

Directory MountExecutor::stage_or_cache(const std::string& name) const {
    constexpr std::string_view cache = "cache-";
    if (!name.starts_with(cache)) return stage_.open_directory(ImagePath().child(name), FollowLinks::never);
    auto index = parse_unsigned(std::string_view(name).substr(cache.size()));
    return Directory::open_host(folders_.caches.at(static_cast<std::size_t>(index.value())));
}

void MountExecutor::apply(const BindStaged& op) {
    Directory stage = stage_or_cache(op.stage);
    Fd source = stage.open(op.source, O_PATH, FollowLinks::inside);
    attach_clone(source.get(), op.target, op.flags, false);
}

void MountExecutor::apply(const BindHost& op) {
    Fd source(::open(op.path.c_str(), O_PATH | O_CLOEXEC));
    if (!source) throw_errno("open", op.path);
    attach_clone(source.get(), op.target, op.flags, op.recursive);
}

void MountExecutor::apply(const SetOwner& op) {
    if (::lchown(op.path.c_str(), op.uid, op.gid) < 0) throw_errno("set owner of", op.path);
    if (::chmod(op.path.c_str(), op.mode) < 0) throw_errno("set mode of", op.path);
}

void MountExecutor::attach_clone(int source, const ImagePath& target, const MountFlags& flags, bool recursive) {
    Fd mount = clone_mount(source, recursive, target.absolute());
    set_mount_flags(mount.get(), flags, recursive);
    Fd place = open_target(target, is_system(target), is_directory(source, target.absolute()));
    attach(mount.get(), place.get(), target.absolute());
}

void MountExecutor::apply(const MakeDirectory& op) {
    Fd parent = root_.open(op.path.parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
    std::string name(op.path.name());
    if (::mkdirat(parent.get(), name.c_str(), op.mode) < 0) throw_errno("make directory", op.path.absolute());
}

void MountExecutor::apply(const MakeLink& op) {
    Fd parent = root_.open(op.path.parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
    std::string name(op.path.name());
    if (::symlinkat(op.target.c_str(), parent.get(), name.c_str()) < 0) throw_errno("make link", op.path.absolute());
}

void MountExecutor::apply(const MakeDevice& op) {
    Directory devices = stage_.open_directory(ImagePath().child("devices"), FollowLinks::never);
    std::string name(op.path.name());
    if (::mknodat(devices.fd(), name.c_str(), S_IFCHR | 0666, ::makedev(op.major, op.minor)) < 0)
        throw_errno("make device", op.path.absolute());
    Fd device = devices.open(ImagePath().child(name), O_PATH, FollowLinks::never);
    attach_clone(device.get(), op.path, {.no_suid = true, .no_exec = true}, false);
}

void MountExecutor::apply(const Mask& op) {
    auto target = root_.try_open(op.path, O_PATH, FollowLinks::never);
    if (!target) return;
    Fd cover;
    if (is_directory(target->get(), op.path.absolute())) {
        Fd empty = stage_.open(ImagePath().child("empty"), O_PATH | O_DIRECTORY, FollowLinks::never);
        cover = clone_mount(empty.get(), false, op.path.absolute());
    } else {
        Fd null = root_.open(ImagePath::clean("/dev/null"), O_PATH, FollowLinks::never);
        struct stat status = status_of(null.get(), "/dev/null");
        if (!S_ISCHR(status.st_mode) || status.st_rdev != ::makedev(1, 3))
            throw Error(ErrorKind::internal, "mask: /dev/null: not the null device");
        cover = clone_mount(null.get(), false, op.path.absolute());
    }
    set_mount_flags(cover.get(), {.read_only = true, .no_suid = true, .no_exec = true}, false);
    attach(cover.get(), target->get(), op.path.absolute());
}

void MountExecutor::apply(const Protect& op) {
    auto target = root_.try_open(op.path, O_PATH, FollowLinks::never);
    if (!target) return;
    Fd mount = clone_mount(target->get(), true, op.path.absolute());
    set_mount_flags(mount.get(), {.read_only = true, .no_suid = true, .no_dev = true, .no_exec = true}, true);
    attach(mount.get(), target->get(), op.path.absolute());
}

Fd MountExecutor::open_target(const ImagePath& target, bool strict, bool is_dir) {
    auto found = root_.try_open(target, O_PATH, strict ? FollowLinks::never : FollowLinks::inside);
    Fd place =
        found ? std::move(*found)
              : make_missing(resolve_missing(target, strict), is_dir,
                             [this](const ImagePath& path, bool is_folder) { return remember_stub(path, is_folder); });
    if (is_directory(place.get(), target.absolute()) != is_dir)
        throw Error(ErrorKind::invalid_input,
                    fmt::format("mount: {}: the image has {} there", printable(target.absolute()),
                                is_dir ? "no directory" : "a directory"));
    return place;
}

// The path that `target` means when links on the way, also ones that lead to nothing, are followed in the root.
ImagePath MountExecutor::resolve_missing(const ImagePath& target, bool strict) const {
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
        if (++links > max_links)
            throw Error(ErrorKind::invalid_input,
                        fmt::format("mount: {}: too many levels of links", printable(target.absolute())));
        std::string link = read_link(root_, next);
        if (link.starts_with('/')) real = ImagePath();
        std::vector<std::string_view> more = split(link, '/');
        left.insert(left.begin(), more.begin(), more.end());
    }
    return real;
}

Fd MountExecutor::open_or_make_directory(const ImagePath& path, const Credentials& owner) {
    if (auto found = root_.try_open(path, O_PATH | O_DIRECTORY, FollowLinks::inside)) return std::move(*found);
    ImagePath real = resolve_missing(path, false);
    if (!is_system(real)) {
        Fd made = make_missing(real, true, [&](const ImagePath& part, bool) {
            Fd folder = root_.open(part, O_RDONLY | O_DIRECTORY, FollowLinks::never);
            if (::fchown(folder.get(), owner.uid, owner.gid) < 0) throw_errno("set owner of", part.absolute());
            return true;
        });
        if (is_directory(made.get(), real.absolute())) return made;
    }
    throw Error(ErrorKind::not_found,
                fmt::format("enter working directory: {}: no such directory in the image", printable(path.absolute())),
                "choose another one with WORKDIR");
}

Fd MountExecutor::make_missing(const ImagePath& path, bool is_dir, const WhenMade& when_made) {
    Fd here = root_.open(ImagePath(), O_PATH | O_DIRECTORY, FollowLinks::never);
    ImagePath so_far;
    for (std::string_view part : path.components()) {
        so_far = so_far.child(part);
        bool last = so_far == path;
        if (auto found = root_.try_open(so_far, O_PATH, FollowLinks::never)) {
            here = std::move(*found);
            continue;
        }
        Times before = times_of(here.get(), so_far.absolute());
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
bool MountExecutor::remember_stub(const ImagePath& path, bool is_dir) {
    if (is_below_system(path)) return false;
    auto found = upper_.try_open(path, O_PATH, FollowLinks::never);
    if (!found) return false;
    struct stat status = status_of(found->get(), path.absolute());
    stubs_.push_back({path, status.st_dev, status.st_ino, is_dir});
    return true;
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
        if (!stub->is_directory && status.st_size > 0) continue;
        if (::unlinkat(parent->get(), name.c_str(), stub->is_directory ? AT_REMOVEDIR : 0) < 0 && errno != ENOTEMPTY)
            throw_errno("remove mount point", stub->path.absolute());
    }
}

}  // namespace imgbuild::builder
