// SPDX-License-Identifier: Apache-2.0
#include "layerstore/snapshot/upper_entry.h"

#include <fcntl.h>
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

}  // namespace

const char* opaque_attribute(OverlaySpelling spelling) noexcept {
    switch (spelling) {
        case OverlaySpelling::trusted: return "trusted.overlay.opaque";
        case OverlaySpelling::user: return "user.overlay.opaque";
        case OverlaySpelling::plain: break;
    }
    return nullptr;
}

bool is_whiteout(const struct stat& status) noexcept { return S_ISCHR(status.st_mode) && status.st_rdev == 0; }

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
    if (::mknodat(parent, last(path).c_str(), S_IFCHR, 0) < 0) throw_errno("make whiteout", path.absolute());
}

void make_raw_directory(int parent, const ImagePath& path) {
    if (::mkdirat(parent, last(path).c_str(), 0700) < 0) throw_errno("make directory", path.absolute());
}

bool make_special(int parent, const ImagePath& path, const Entry& entry, OverlaySpelling spelling) {
    std::string name = last(path);
    if (entry.kind == EntryKind::symlink) {
        if (::symlinkat(entry.link_target.c_str(), parent, name.c_str()) < 0) throw_errno("make link", path.absolute());
    } else {
        bool fifo = entry.kind == EntryKind::fifo;
        if (!fifo && entry.device_major == 0 && entry.device_minor == 0)
            throw Error(ErrorKind::invalid_input, "make device: " + path.absolute() + ": 0:0 is no device");
        if (!fifo && spelling == OverlaySpelling::user) return false;
        mode_t type = fifo ? S_IFIFO : entry.kind == EntryKind::character_device ? S_IFCHR : S_IFBLK;
        dev_t device = fifo ? 0 : ::makedev(entry.device_major, entry.device_minor);
        try {
            if (::mknodat(parent, name.c_str(), type | (entry.mode & 0777), device) < 0)
                throw_errno("make special file", path.absolute());
        } catch (const Error& error) {
            if (fifo || spelling != OverlaySpelling::plain || error.kind() != ErrorKind::denied) throw;
            return false;
        }
    }
    if (::fchownat(parent, name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) < 0)
        throw_errno("set owner", path.absolute());
    if (entry.kind != EntryKind::symlink && ::fchmodat(parent, name.c_str(), entry.mode, 0) < 0)
        throw_errno("set mode", path.absolute());
    return true;
}

void dress(int fd, const Entry& entry, const ImagePath& path) {
    struct stat status {};
    if (::fstat(fd, &status) < 0) throw_errno("stat", path.absolute());
    if ((status.st_uid != entry.uid || status.st_gid != entry.gid) && ::fchown(fd, entry.uid, entry.gid) < 0) {
        Error error(ErrorKind::unsupported,
                    "set owner: " + path.absolute() + ": " + std::to_string(entry.uid) + ":" +
                        std::to_string(entry.gid) + " cannot be kept here",
                    "give the user more subordinate ids in /etc/subuid and /etc/subgid");
        throw error;
    }
    if (entry.xattrs) {
        for (const auto& [name, value] : *entry.xattrs)
            if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) < 0)
                throw_errno("set attribute " + name + " of", path.absolute());
    }
    if ((status.st_mode & 07777) != entry.mode || status.st_uid != entry.uid || status.st_gid != entry.gid)
        if (::fchmod(fd, entry.mode) < 0) throw_errno("set mode", path.absolute());
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
