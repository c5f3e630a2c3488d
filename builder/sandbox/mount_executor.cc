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

#include "base/error.h"
#include "base/text.h"
#include "builder/sandbox/mount_calls.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::builder {
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
    builder::carry_out(plan, [this](const MountOperation& operation) {
        std::visit([this](const auto& op) { apply(op); }, operation);
    });
}

void MountExecutor::enter_root() {
    if (::fchdir(targets_.root().fd()) < 0) throw_errno("enter", "the new root");
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
    OverlayMount overlay{op.lower, {}, {}, layerstore::uses_user_attributes(folders_.spelling), op.no_devices};
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
    Directory root(stage_.open(ImagePath().child(op.stage), O_PATH | O_DIRECTORY, FollowLinks::never), "");
    targets_ =
        MountTargets(std::move(root), work_.open_directory(ImagePath().child("upper-" + op.stage), FollowLinks::never),
                     folders_.spelling);
}

void MountExecutor::apply(const MountNew& op) {
    Fd target = targets_.open(op.target, op.strict, true);
    attach(new_mount(op.type, op.options, op.flags).get(), target.get(), op.target.absolute());
}

void MountExecutor::apply(const WriteFile& op) {
    Directory files = stage_.open_directory(ImagePath().child("files"), FollowLinks::never);
    Fd file(::openat(files.fd(), op.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) throw_errno("make file", op.name);
    FdWriter(file.get(), op.name).write(as_bytes(op.content));
    layerstore::set_owner(file.get(), op.uid, op.gid, folders_.spelling, op.name);
    if (::fchmod(file.get(), op.mode) < 0) throw_errno("set mode of", op.name);
    if (::futimens(file.get(), constant_times.data()) < 0) throw_errno("set times of", op.name);
}

void MountExecutor::apply(const PlaceFile& op) {
    if (targets_.put_file(op.target, op.content)) return;
    apply(WriteFile{op.name, op.content, 0644, 0, 0});
    apply(BindStaged{
        "files", ImagePath().child(op.name), op.target, {.read_only = true, .no_suid = true, .no_dev = true}});
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
    if (folders_.spelling == layerstore::OverlaySpelling::single)
        layerstore::write_record(op.path, S_IFSOCK, layerstore::LastLink::meant, {op.uid, op.gid, std::nullopt});
    else if (::lchown(op.path.c_str(), op.uid, op.gid) < 0)
        throw_errno("set owner of", op.path);
    if (::chmod(op.path.c_str(), op.mode) < 0) throw_errno("set mode of", op.path);
}

void MountExecutor::attach_clone(int source, const ImagePath& target, const MountFlags& flags, bool recursive) {
    Fd mount = clone_mount(source, recursive, target.absolute());
    set_mount_flags(mount.get(), flags, recursive);
    Fd place = targets_.open(target, is_system(target), is_directory(source, target.absolute()));
    attach(mount.get(), place.get(), target.absolute());
}

void MountExecutor::apply(const MakeDirectory& op) {
    Fd parent = targets_.root().open(op.path.parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
    std::string name(op.path.name());
    if (::mkdirat(parent.get(), name.c_str(), op.mode) < 0) throw_errno("make directory", op.path.absolute());
}

void MountExecutor::apply(const MakeLink& op) {
    Fd parent = targets_.root().open(op.path.parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
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
    auto target = targets_.root().try_open(op.path, O_PATH, FollowLinks::never);
    if (!target) return;
    Fd cover;
    if (is_directory(target->get(), op.path.absolute())) {
        Fd empty = stage_.open(ImagePath().child("empty"), O_PATH | O_DIRECTORY, FollowLinks::never);
        cover = clone_mount(empty.get(), false, op.path.absolute());
    } else {
        Fd null = targets_.root().open(ImagePath::clean("/dev/null"), O_PATH, FollowLinks::never);
        struct stat status = status_of(null.get(), "/dev/null");
        if (!S_ISCHR(status.st_mode) || status.st_rdev != ::makedev(1, 3))
            throw Error(ErrorKind::internal, "mask: /dev/null: not the null device");
        cover = clone_mount(null.get(), false, op.path.absolute());
    }
    set_mount_flags(cover.get(), {.read_only = true, .no_suid = true, .no_exec = true}, false);
    attach(cover.get(), target->get(), op.path.absolute());
}

void MountExecutor::apply(const Protect& op) {
    auto target = targets_.root().try_open(op.path, O_PATH, FollowLinks::never);
    if (!target) return;
    Fd mount = clone_mount(target->get(), true, op.path.absolute());
    set_mount_flags(mount.get(), {.read_only = true, .no_suid = true, .no_dev = true, .no_exec = true}, true);
    attach(mount.get(), target->get(), op.path.absolute());
}

}  // namespace imgbuild::builder
