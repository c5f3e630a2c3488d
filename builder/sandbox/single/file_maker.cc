// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/single/file_maker.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace imgbuild::builder {
namespace {

using layerstore::LastLink;
using layerstore::StatusRecord;
using Wish = FileCall::Wish;

constexpr mode_t permission_bits = 07777;

// While it lives, what this process makes lacks the bits that what the task makes lacks.
class AsUmaskOf {
  public:
    explicit AsUmaskOf(const Task& task) {
        const auto identity = task.identity();
        before_ = ::umask(identity ? identity->umask : 022);
    }
    AsUmaskOf(const AsUmaskOf&) = delete;
    AsUmaskOf& operator=(const AsUmaskOf&) = delete;
    ~AsUmaskOf() { ::umask(before_); }

  private:
    mode_t before_ = 0;
};

bool is_temporary(const FileCall& call) noexcept { return (call.flags & O_TMPFILE) == O_TMPFILE; }

bool is_device(const FileCall& call) noexcept {
    return call.wish == Wish::node && (S_ISCHR(call.mode) || S_ISBLK(call.mode));
}

}  // namespace

int keep_record(int fd, mode_t mode, const StatusRecord& record) {
    if (layerstore::write_record(TaskFiles::path_of_own(fd), mode, LastLink::followed, record)) return 0;
    return errno == EOPNOTSUPP ? 0 : errno;
}

bool FileMaker::makes(Wish wish) noexcept {
    return wish == Wish::open || wish == Wish::open_how || wish == Wish::directory || wish == Wish::link ||
           wish == Wish::node;
}

FileOwner FileMaker::owner_of_new(const NamedFile& directory) const {
    FileOwner owner{credentials_.user.files, credentials_.group.files};
    const std::string path = files_.path_of(directory);
    const StatusRecord record = layerstore::read_record(path, S_IFDIR, LastLink::followed).value_or(StatusRecord{});
    if (record.gid == owner.gid) return owner;
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_ISGID) != 0) owner.gid = record.gid;
    return owner;
}

CallAnswer FileMaker::answer(const FileCall& call, const NamedFile& file) const {
    if (call.wish == Wish::open || call.wish == Wish::open_how) return open(call, file);
    const FileOwner owner = owner_of_new(TaskFiles::parent_of(file));
    if (is_device(call)) return make_device(call, file, owner);
    return owner == FileOwner{} ? CallAnswer::proceed() : make_entry(call, file, owner);
}

CallAnswer FileMaker::open(const FileCall& call, const NamedFile& file) const {
    const bool temporary = is_temporary(call);
    if ((call.flags & O_CREAT) == 0 && !temporary) return CallAnswer::proceed();
    const FileOwner owner = owner_of_new(temporary ? file : TaskFiles::parent_of(file));
    if (owner == FileOwner{}) return CallAnswer::proceed();
    if (!temporary &&
        ::faccessat(AT_FDCWD, files_.path_of(file).c_str(), F_OK, file.follows ? 0 : AT_SYMLINK_NOFOLLOW) == 0)
        return CallAnswer::proceed();
    const NamedFile start{file.directory, {}, true};
    const bool is_relative = !file.path.starts_with('/');
    const Fd directory = is_relative ? files_.open(start) : Fd();
    if (is_relative && !directory) return CallAnswer::fail(errno);
    const AsUmaskOf mask(task_);
    // Somebody may have made a pipe there meanwhile, and nobody is to wait for its other end here.
    Fd made = open_safely(is_relative ? directory.get() : AT_FDCWD, file.path, call.flags | O_NONBLOCK | O_NOCTTY,
                          call.mode & permission_bits);
    if (!made) return CallAnswer::fail(errno);
    if ((call.flags & O_NONBLOCK) == 0) ::fcntl(made.get(), F_SETFL, call.flags & ~O_NONBLOCK);
    if (const int problem = keep_record(made.get(), S_IFREG, {owner.uid, owner.gid, std::nullopt}))
        return CallAnswer::fail(problem);
    return CallAnswer::give(std::move(made), (call.flags & O_CLOEXEC) != 0);
}

// 0 or -1 with errno.
int FileMaker::make_by_name(const FileCall& call, int directory, const std::string& name) const {
    if (call.wish == Wish::directory) return ::mkdirat(directory, name.c_str(), call.mode & permission_bits);
    if (call.wish == Wish::node) return ::mknodat(directory, name.c_str(), call.mode, 0);
    const auto target = task_.read_string(call.buffer);
    errno = EFAULT;
    return target ? ::symlinkat(target->c_str(), directory, name.c_str()) : -1;
}

CallAnswer FileMaker::make_entry(const FileCall& call, const NamedFile& file, const FileOwner& owner) const {
    std::string name;
    const Fd directory = files_.open_parent(file, name);
    if (!directory) return CallAnswer::fail(errno);
    if (name.empty()) return CallAnswer::proceed();
    {
        const AsUmaskOf mask(task_);
        if (make_by_name(call, directory.get(), name) < 0) return CallAnswer::fail(errno);
    }
    const Fd made(::openat(directory.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!made || ::fstat(made.get(), &status) < 0) return CallAnswer::fail(errno);
    const int problem = keep_record(made.get(), status.st_mode, {owner.uid, owner.gid, std::nullopt});
    return problem == 0 ? CallAnswer::value(0) : CallAnswer::fail(problem);
}

// An empty file stands for it.
CallAnswer FileMaker::make_device(const FileCall& call, const NamedFile& file, const FileOwner& owner) const {
    const auto device = static_cast<dev_t>(static_cast<std::uint32_t>(call.device));
    const bool is_removal = S_ISCHR(call.mode) && device == 0;  // as overlay spells one: it refuses to make it
    std::string name;
    const Fd directory = files_.open_parent(file, name);
    if (!directory) return CallAnswer::fail(errno);
    if (name.empty()) return CallAnswer::proceed();
    if (::faccessat(directory.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return CallAnswer::fail(EEXIST);
    if (!credentials_.may(CAP_MKNOD) || is_removal) return CallAnswer::fail(EPERM);
    const AsUmaskOf mask(task_);
    const Fd made(::openat(directory.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                           call.mode & permission_bits));
    if (!made) return CallAnswer::fail(errno);
    const auto kind =
        S_ISCHR(call.mode) ? layerstore::EntryKind::character_device : layerstore::EntryKind::block_device;
    const layerstore::DeviceRecord record{kind, ::major(device), ::minor(device)};
    const int problem = keep_record(made.get(), S_IFREG, {owner.uid, owner.gid, record});
    return problem == 0 ? CallAnswer::value(0) : CallAnswer::fail(problem);
}

}  // namespace imgbuild::builder
