// SPDX-License-Identifier: Apache-2.0
#include "layerstore/snapshot/upper_entry.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "layerstore/layer/tar_writer.h"

namespace imgbuild::layerstore {
namespace {

timespec to_timespec(FileTime time) noexcept { return {time.seconds, static_cast<long>(time.nanoseconds)}; }

const std::string opaque_mark(opaque_marker_name);

std::string last(const ImagePath& path) { return std::string(path.name()); }

// On an overlay nobody may make the device 0:0. No driver has this number, nor will: major 0 is of file systems.
const dev_t stand_in_for_whiteout = ::makedev(0, 0xfffff);

}  // namespace

const char* opaque_attribute(OverlaySpelling spelling) noexcept {
    switch (spelling) {
        case OverlaySpelling::trusted: return "trusted.overlay.opaque";
        case OverlaySpelling::user:
        case OverlaySpelling::single: return "user.overlay.opaque";
        case OverlaySpelling::plain: break;
    }
    return nullptr;
}

bool uses_user_attributes(OverlaySpelling spelling) noexcept {
    return spelling == OverlaySpelling::user || spelling == OverlaySpelling::single;
}

bool keeps_devices(OverlaySpelling spelling) noexcept {
    return spelling == OverlaySpelling::trusted || spelling == OverlaySpelling::single;
}

bool is_whiteout(const struct stat& status) noexcept {
    return S_ISCHR(status.st_mode) && (status.st_rdev == 0 || status.st_rdev == stand_in_for_whiteout);
}

bool is_opaque_mark(std::string_view name, OverlaySpelling spelling) noexcept {
    return spelling == OverlaySpelling::plain && name == opaque_marker_name;
}

bool is_opaque(int directory, OverlaySpelling spelling) {
    if (spelling == OverlaySpelling::plain) {
        struct stat status {};
        return ::fstatat(directory, opaque_mark.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && is_whiteout(status);
    }
    char value = 0;
    return ::fgetxattr(directory, opaque_attribute(spelling), &value, 1) == 1 && value == 'y';
}

EntryKind kind_of(mode_t mode) noexcept {
    switch (mode & S_IFMT) {
        case S_IFDIR: return EntryKind::directory;
        case S_IFLNK: return EntryKind::symlink;
        case S_IFIFO: return EntryKind::fifo;
        case S_IFCHR: return EntryKind::character_device;
        case S_IFBLK: return EntryKind::block_device;
        default: return EntryKind::file;
    }
}

Entry entry_of(const struct stat& status) {
    Entry entry;
    entry.kind = kind_of(status.st_mode);
    entry.mode = static_cast<std::uint16_t>(status.st_mode & 07777);
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    entry.mtime = {status.st_mtim.tv_sec, static_cast<std::uint32_t>(status.st_mtim.tv_nsec)};
    if (is_device(entry.kind)) {
        entry.device_major = ::major(status.st_rdev);
        entry.device_minor = ::minor(status.st_rdev);
    }
    return entry;
}

namespace {

// With what the record of the file at `path` says instead.
Entry recorded_entry(const struct stat& status, const std::string& path, LastLink link) {
    Entry entry = entry_of(status);
    const StatusRecord record = read_record(path, status.st_mode, link).value_or(StatusRecord{});
    entry.uid = record.uid;
    entry.gid = record.gid;
    if (record.device && entry.kind == EntryKind::file) {
        entry.kind = record.device->kind;
        entry.device_major = record.device->major;
        entry.device_minor = record.device->minor;
    }
    return entry;
}

}  // namespace

Entry entry_of_open(const struct stat& status, int fd, OverlaySpelling spelling) {
    if (spelling != OverlaySpelling::single) return entry_of(status);
    return recorded_entry(status, path_of_descriptor(fd), LastLink::followed);
}

Entry entry_below(const struct stat& status, int parent, const ImagePath& path, OverlaySpelling spelling) {
    if (spelling != OverlaySpelling::single) return entry_of(status);
    return recorded_entry(status, path_below(parent, path.name()), LastLink::meant);
}

void set_opaque(int directory, OverlaySpelling spelling, const ImagePath& path) {
    if (spelling == OverlaySpelling::plain) {
        if (!is_opaque(directory, spelling)) make_whiteout(directory, path.child(opaque_mark));
        return;
    }
    if (::fsetxattr(directory, opaque_attribute(spelling), "y", 1, 0) < 0)
        throw_errno("mark directory as opaque", path.absolute());
}

void clear_opaque(int directory, OverlaySpelling spelling) {
    if (spelling == OverlaySpelling::plain) {
        if (is_opaque(directory, spelling)) ::unlinkat(directory, opaque_mark.c_str(), 0);
        return;
    }
    ::fremovexattr(directory, opaque_attribute(spelling));
}

void make_whiteout(int parent, const ImagePath& path) {
    const std::string name = last(path);
    const auto make = [&](dev_t device) { return ::mknodat(parent, name.c_str(), S_IFCHR, device) == 0; };
    // The last for its reason: that the other was refused says nothing of a disk that is full.
    if (make(0) || make(stand_in_for_whiteout) || make(0)) return;
    throw_errno("make whiteout", path.absolute());
}

void make_raw_directory(int parent, const ImagePath& path) {
    if (::mkdirat(parent, last(path).c_str(), 0700) < 0) throw_errno("make directory", path.absolute());
}

namespace {

void record_at(int parent, const ImagePath& path, mode_t type, const Entry& entry) {
    StatusRecord record{entry.uid, entry.gid, std::nullopt};
    if (is_device(entry.kind)) record.device = DeviceRecord{entry.kind, entry.device_major, entry.device_minor};
    if (!write_record(path_below(parent, path.name()), type, LastLink::meant, record))
        throw_errno("keep the owner of", path.absolute());
}

void make_link(int parent, const ImagePath& path, const Entry& entry) {
    if (::symlinkat(entry.link_target.c_str(), parent, last(path).c_str()) < 0)
        throw_errno("make link", path.absolute());
}

// What stands for a device where none can be made: an empty file.
void make_placeholder(int parent, const ImagePath& path) {
    const Fd file(::openat(parent, last(path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) throw_errno("make file", path.absolute());
}

// False where `spelling` has nothing for it.
bool make_node(int parent, const ImagePath& path, const Entry& entry, OverlaySpelling spelling) {
    const bool fifo = entry.kind == EntryKind::fifo;
    if (!fifo && entry.device_major == 0 && entry.device_minor == 0)
        throw Error(ErrorKind::invalid_input, "make device: " + path.absolute() + ": 0:0 is no device");
    if (!fifo && spelling == OverlaySpelling::user) return false;
    if (!fifo && spelling == OverlaySpelling::single) {
        make_placeholder(parent, path);
        return true;
    }
    const mode_t type = fifo ? S_IFIFO : entry.kind == EntryKind::character_device ? S_IFCHR : S_IFBLK;
    const dev_t device = fifo ? 0 : ::makedev(entry.device_major, entry.device_minor);
    try {
        if (::mknodat(parent, last(path).c_str(), type | (entry.mode & 0777), device) < 0)
            throw_errno("make special file", path.absolute());
    } catch (const Error& error) {
        if (fifo || spelling != OverlaySpelling::plain || error.kind() != ErrorKind::denied) throw;
        return false;
    }
    return true;
}

mode_t type_on_disk(EntryKind kind) noexcept {
    return kind == EntryKind::symlink ? S_IFLNK : kind == EntryKind::fifo ? S_IFIFO : S_IFREG;
}

}  // namespace

bool make_special(int parent, const ImagePath& path, const Entry& entry, OverlaySpelling spelling) {
    const std::string name = last(path);
    if (entry.kind == EntryKind::symlink)
        make_link(parent, path, entry);
    else if (!make_node(parent, path, entry, spelling))
        return false;
    if (spelling == OverlaySpelling::single)
        record_at(parent, path, type_on_disk(entry.kind), entry);
    else if (::fchownat(parent, name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) < 0)
        throw_errno("set owner", path.absolute());
    if (entry.kind != EntryKind::symlink && ::fchmodat(parent, name.c_str(), entry.mode, 0) < 0)
        throw_errno("set mode", path.absolute());
    return true;
}

void set_owner(int fd, std::uint32_t uid, std::uint32_t gid, OverlaySpelling spelling, const std::string& what) {
    struct stat status {};
    if (::fstat(fd, &status) < 0) throw_errno("stat", what);
    if (spelling == OverlaySpelling::single) {
        if (!write_record(path_of_descriptor(fd), status.st_mode, LastLink::followed, {uid, gid, std::nullopt}))
            throw_errno("keep the owner of", what);
        return;
    }
    if ((status.st_uid != uid || status.st_gid != gid) && ::fchown(fd, uid, gid) < 0)
        throw Error(ErrorKind::unsupported, fmt::format("set owner: {}: {}:{} cannot be kept here", what, uid, gid),
                    "give the user more subordinate ids in /etc/subuid and /etc/subgid");
}

void dress(int fd, const Entry& entry, const ImagePath& path, OverlaySpelling spelling) {
    set_owner(fd, entry.uid, entry.gid, spelling, path.absolute());
    if (entry.xattrs) {
        for (const auto& [name, value] : *entry.xattrs)
            if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) < 0)
                throw_errno("set attribute " + name + " of", path.absolute());
    }
    struct stat status {};
    if (::fstat(fd, &status) < 0) throw_errno("stat", path.absolute());
    if ((status.st_mode & 07777) != entry.mode && ::fchmod(fd, entry.mode) < 0)
        throw_errno("set mode", path.absolute());
}

void stamp(int fd, FileTime time, const ImagePath& path) {
    std::array<timespec, 2> times{to_timespec(time), to_timespec(time)};
    if (::futimens(fd, times.data()) < 0) throw_errno("set time", path.absolute());
}

void stamp_at(int parent, const ImagePath& path, FileTime time) {
    std::array<timespec, 2> times{to_timespec(time), to_timespec(time)};
    std::string name = path.is_root() ? "." : last(path);
    if (::utimensat(parent, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) < 0)
        throw_errno("set time", path.absolute());
}

std::shared_ptr<const Xattrs> read_xattrs(int fd, const ImagePath& path) {
    ssize_t length = ::flistxattr(fd, nullptr, 0);
    if (length <= 0) return nullptr;  // a file system without attributes is one without any set
    std::string names(static_cast<std::size_t>(length), '\0');
    length = ::flistxattr(fd, names.data(), names.size());
    if (length < 0) throw_errno("list attributes of", path.absolute());
    names.resize(static_cast<std::size_t>(length));
    Xattrs found;
    for (std::size_t at = 0; at < names.size();) {
        std::string name = names.c_str() + at;
        at += name.size() + 1;
        if (!keeps_xattr(name)) continue;
        std::string value(65536, '\0');  // XATTR_SIZE_MAX
        ssize_t size = ::fgetxattr(fd, name.c_str(), value.data(), value.size());
        if (size < 0) throw_errno("read attribute " + name + " of", path.absolute());
        value.resize(static_cast<std::size_t>(size));
        found.emplace_back(std::move(name), std::move(value));
    }
    if (found.empty()) return nullptr;
    std::sort(found.begin(), found.end());
    return std::make_shared<const Xattrs>(std::move(found));
}

}  // namespace imgbuild::layerstore
