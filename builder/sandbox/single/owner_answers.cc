// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/single/owner_answers.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "builder/sandbox/single/file_maker.h"
#include "builder/sandbox/single/identity_answers.h"

namespace imgbuild::builder {
namespace {

using layerstore::LastLink;
using layerstore::StatusRecord;
using Wish = FileCall::Wish;

constexpr mode_t mode_bits = 07777;
constexpr std::size_t longest_list = 65536;  // XATTR_LIST_MAX

bool holds_user_attributes(mode_t mode) noexcept { return S_ISREG(mode) || S_ISDIR(mode); }

int stat_flags(LastLink link) noexcept { return link == LastLink::followed ? 0 : AT_SYMLINK_NOFOLLOW; }

// Mostly one call that says "none": what is asked for all the time.
std::optional<StatusRecord> find_record(const std::string& path, LastLink link) {
    if (auto record = layerstore::read_record(path, S_IFREG, link)) return record;
    const auto special = layerstore::read_record(path, S_IFLNK, link);
    if (!special) return std::nullopt;
    // On a program these are its capabilities.
    struct stat status {};
    const bool is_program =
        ::fstatat(AT_FDCWD, path.c_str(), &status, stat_flags(link)) < 0 || holds_user_attributes(status.st_mode);
    return is_program ? std::nullopt : special;
}

mode_t type_of(const layerstore::DeviceRecord& device) noexcept {
    return device.kind == layerstore::EntryKind::block_device ? S_IFBLK : S_IFCHR;
}

void apply(const StatusRecord& record, struct stat& status) {
    status.st_uid = record.uid;
    status.st_gid = record.gid;
    if (!record.device) return;
    status.st_mode = (status.st_mode & mode_bits) | type_of(*record.device);
    status.st_rdev = ::makedev(record.device->major, record.device->minor);
}

void apply(const StatusRecord& record, struct statx& status) {
    status.stx_uid = record.uid;
    status.stx_gid = record.gid;
    if (!record.device) return;
    status.stx_mode = static_cast<std::uint16_t>((status.stx_mode & mode_bits) | type_of(*record.device));
    status.stx_rdev_major = record.device->major;
    status.stx_rdev_minor = record.device->minor;
}

template <class Status>
CallAnswer give_status(const Task& task, std::uint64_t address, const StatusRecord& record, Status& status) {
    apply(record, status);
    return task.write(address, std::as_bytes(std::span(&status, 1))) ? CallAnswer::value(0) : CallAnswer::fail(EFAULT);
}

bool is_script(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    std::array<char, 2> head{};
    return file && ::read(file.get(), head.data(), head.size()) == 2 && head[0] == '#' && head[1] == '!';
}

// What the call names; empty where the kernel will say that it names nothing.
std::optional<NamedFile> name_of(const Task& task, const FileCall& call) {
    NamedFile file{call.directory, {}, call.follows()};
    if (call.path != 0) {
        auto path = task.read_string(call.path);
        if (!path) return std::nullopt;
        file.path = std::move(*path);
    }
    const bool takes_descriptors = !FileMaker::makes(call.wish) && (call.flags & AT_EMPTY_PATH) != 0;
    if (file.path.empty() && !takes_descriptors) return std::nullopt;
    return file;
}

// openat2(2) has its wish in memory.
bool read_wish(const Task& task, FileCall& call) {
    std::array<std::uint64_t, 3> how{};  // flags, mode, resolve
    if (call.size < sizeof how || !task.read(call.buffer, std::as_writable_bytes(std::span(how)))) return false;
    call.flags = static_cast<int>(how[0]);
    call.mode = static_cast<std::uint32_t>(how[1]);
    return true;
}

}  // namespace

OwnerAnswers::OwnerAnswers(const Credentials& start, SecurityMode security)
    : root_capabilities_(root_capabilities(security)),
      table_(TaskCredentials::of(start, root_capabilities_)),
      proc_(Directory::open_host("/proc")) {
    TaskFiles::prepare();
}

CallAnswer OwnerAnswers::answer(const WaitingCall& waiting, const CallListener& listener) {
    const Task task(waiting.task, &proc_);
    if (auto about_ids = answer_about_ids(waiting, task, table_)) return std::move(*about_ids);
    std::optional<FileCall> call = file_call_of(waiting);
    if (!call || (call->wish == Wish::open_how && !read_wish(task, *call))) return CallAnswer::proceed();
    const std::optional<NamedFile> file = name_of(task, *call);
    if (!file || !listener.is_waiting(waiting)) return CallAnswer::proceed();
    return answer_file(task, table_.state_of(waiting.task), *call, *file);
}

CallAnswer OwnerAnswers::answer_file(const Task& task, const ProcessState& state, const FileCall& call,
                                     const NamedFile& file) {
    const TaskFiles files(task.number(), state.has_other_root);
    if (FileMaker::makes(call.wish)) return FileMaker(task, files, table_[state]).answer(call, file);
    switch (call.wish) {
        case Wish::owner: return change_owner(state, files, call, file);
        case Wish::attributes: return list_attributes(task, files, call, file);
        case Wish::execute: return execute(task, state, files, file);
        case Wish::root: return change_root(task, state, files, file);
        default: return status(task, files, call, file);
    }
}

CallAnswer OwnerAnswers::status(const Task& task, const TaskFiles& files, const FileCall& call,
                                const NamedFile& file) const {
    const std::string path = files.path_of(file);
    const LastLink link = TaskFiles::last_link_of(file);
    const auto record = find_record(path, link);
    if (!record) return CallAnswer::proceed();
    if (call.wish == Wish::extended_status) {
        struct statx status {};
        const int flags = (call.flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) | stat_flags(link);
        if (::statx(AT_FDCWD, path.c_str(), flags, call.mode, &status) < 0) return CallAnswer::proceed();
        return give_status(task, call.buffer, *record, status);
    }
    struct stat status {};
    if (::fstatat(AT_FDCWD, path.c_str(), &status, stat_flags(link)) < 0) return CallAnswer::proceed();
    return give_status(task, call.buffer, *record, status);
}

CallAnswer OwnerAnswers::change_owner(const ProcessState& state, const TaskFiles& files, const FileCall& call,
                                      const NamedFile& file) const {
    const Fd found = files.open(file);
    struct stat status {};
    if (!found || ::fstat(found.get(), &status) < 0) return CallAnswer::fail(errno);
    const std::string path = TaskFiles::path_of_own(found.get());
    StatusRecord record = layerstore::read_record(path, status.st_mode, LastLink::followed).value_or(StatusRecord{});
    if (!table_[state].may_give({record.uid, record.gid}, {call.uid, call.gid})) return CallAnswer::fail(EPERM);
    // The kernel does all else that chown does: set-uid bits and capabilities go, the file is copied up.
    if (::fchownat(found.get(), "", 0, 0, AT_EMPTY_PATH) < 0) return CallAnswer::fail(errno);
    if (call.uid != unchanged_id) record.uid = call.uid;
    if (call.gid != unchanged_id) record.gid = call.gid;
    const int problem = keep_record(found.get(), status.st_mode, record);
    return problem == 0 ? CallAnswer::value(0) : CallAnswer::fail(problem);
}

CallAnswer OwnerAnswers::list_attributes(const Task& task, const TaskFiles& files, const FileCall& call,
                                         const NamedFile& file) const {
    const std::string path = files.path_of(file);
    const bool follows = TaskFiles::last_link_of(file) == LastLink::followed;
    std::string names(longest_list, '\0');
    const ssize_t length = follows ? ::listxattr(path.c_str(), names.data(), names.size())
                                   : ::llistxattr(path.c_str(), names.data(), names.size());
    struct stat status {};
    if (length <= 0 || ::fstatat(AT_FDCWD, path.c_str(), &status, stat_flags(TaskFiles::last_link_of(file))) < 0)
        return CallAnswer::proceed();
    names.resize(static_cast<std::size_t>(length));
    const char* hidden =
        holds_user_attributes(status.st_mode) ? layerstore::record_attribute : layerstore::special_record_attribute;
    // Each name ends in a zero byte.
    const std::string ours = std::string(hidden) + '\0';
    std::size_t at = 0;
    while (at < names.size() && names.compare(at, ours.size(), ours) != 0) at = names.find('\0', at) + 1;
    if (at >= names.size()) return CallAnswer::proceed();
    names.erase(at, ours.size());
    if (call.size == 0) return CallAnswer::value(static_cast<std::int64_t>(names.size()));
    if (names.size() > call.size) return CallAnswer::fail(ERANGE);
    if (!names.empty() && !task.write(call.buffer, std::as_bytes(std::span(names)))) return CallAnswer::fail(EFAULT);
    return CallAnswer::value(static_cast<std::int64_t>(names.size()));
}

// A set-uid program is its recorded owner's. The ids change before the kernel has executed anything: where it refuses
// what can be executed by all we know, the task has them without the program.
CallAnswer OwnerAnswers::execute(const Task& task, const ProcessState& state, const TaskFiles& files,
                                 const NamedFile& file) {
    const std::string path = files.path_of(file);
    struct stat status {};
    const bool executable = ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
                            (status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
    if (!executable) return CallAnswer::proceed();
    std::optional<std::uint32_t> uid;
    std::optional<std::uint32_t> gid;
    if ((status.st_mode & (S_ISUID | S_ISGID)) != 0 && !is_script(path)) {
        const auto record = layerstore::read_record(path, S_IFREG, LastLink::followed).value_or(StatusRecord{});
        if ((status.st_mode & S_ISUID) != 0) uid = record.uid;
        if ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) gid = record.gid;
    }
    TaskCredentials credentials = table_[state];
    credentials.execute(uid, gid, root_capabilities_);
    if (credentials != table_[state]) table_.set_credentials(task.number(), state, credentials);
    return CallAnswer::proceed();
}

CallAnswer OwnerAnswers::change_root(const Task& task, const ProcessState& state, const TaskFiles& files,
                                     const NamedFile& file) {
    struct stat status {};
    if (::stat(files.path_of(file).c_str(), &status) == 0 && S_ISDIR(status.st_mode))
        table_.set_other_root(task.number(), state);
    return CallAnswer::proceed();
}

}  // namespace imgbuild::builder
