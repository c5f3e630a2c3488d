// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/intercept/task.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "base/error.h"
#include "base/stream.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t usual_path = 256;
constexpr std::uint64_t status_limit = 16 * 1024;

// The numbers behind a name in /proc/PID/status.
std::vector<std::uint64_t> status_numbers(std::string_view status, std::string_view name, int base) {
    std::vector<std::uint64_t> numbers;
    for (std::string_view line : split(status, '\n')) {
        if (!line.starts_with(name) || line.substr(name.size(), 1) != ":") continue;
        for (std::string_view word : split(line.substr(name.size() + 1), '\t'))
            if (!trim(word).empty()) numbers.push_back(std::strtoull(std::string(trim(word)).c_str(), nullptr, base));
    }
    return numbers;
}

}  // namespace

std::optional<std::string> Task::read_string(std::uint64_t address) const {
    std::string text;
    std::array<char, page_bytes> part;  // NOLINT(cppcoreguidelines-pro-type-member-init): read before it is used
    // Most are short, and what is read has to be copied.
    for (std::size_t wanted = usual_path; text.size() <= PATH_MAX; wanted = page_bytes) {
        // Not beyond the end of a page: the next one may not be there.
        const std::size_t size = std::min(wanted, page_bytes - (address + text.size()) % page_bytes);
        if (!read(address + text.size(), std::as_writable_bytes(std::span(part).first(size)))) return std::nullopt;
        const std::string_view found(part.data(), size);
        const std::size_t end = found.find('\0');
        text += found.substr(0, end);
        if (end != std::string_view::npos)
            return text.size() < PATH_MAX ? std::optional(std::move(text)) : std::nullopt;
    }
    return std::nullopt;
}

bool Task::read(std::uint64_t address, std::span<std::byte> bytes) const {
    return transfer(address, bytes.data(), bytes.size(), false);
}

bool Task::write(std::uint64_t address, std::span<const std::byte> bytes) const {
    return transfer(address, const_cast<std::byte*>(bytes.data()), bytes.size(), true);
}

bool Task::overwrite(std::uint64_t address, std::span<const std::byte> bytes) const {
    if (write(address, bytes)) return true;
    const Fd memory(::openat(proc_->fd(), entry("mem").c_str(), O_WRONLY | O_CLOEXEC));
    return memory && ::pwrite(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(address)) ==
                         static_cast<ssize_t>(bytes.size());
}

bool Task::transfer(std::uint64_t address, std::byte* bytes, std::size_t size, bool writes) const {
    iovec ours{bytes, size};
    iovec theirs{reinterpret_cast<void*>(address), size};  // NOLINT(performance-no-int-to-ptr): another's memory
    const ssize_t count = writes ? ::process_vm_writev(number_, &ours, 1, &theirs, 1, 0)
                                 : ::process_vm_readv(number_, &ours, 1, &theirs, 1, 0);
    if (count == static_cast<ssize_t>(size)) return true;
    return count < 0 && errno == EPERM && proc_ && transfer_as_owner(address, bytes, size, writes);
}

// A task that became another user is reached as that user, unless it changed without executing a program.
bool Task::transfer_as_owner(std::uint64_t address, std::byte* bytes, std::size_t size, bool writes) const {
    struct stat status {};
    if (::fstatat(proc_->fd(), std::to_string(number_).c_str(), &status, 0) < 0 || status.st_uid == 0) return false;
    const AsFileUser as_owner(status.st_uid, status.st_gid);
    const Fd memory(::openat(proc_->fd(), entry("mem").c_str(), (writes ? O_WRONLY : O_RDONLY) | O_CLOEXEC));
    if (!memory) return false;
    const auto offset = static_cast<off_t>(address);
    const ssize_t count =
        writes ? ::pwrite(memory.get(), bytes, size, offset) : ::pread(memory.get(), bytes, size, offset);
    return count == static_cast<ssize_t>(size);
}

std::optional<std::string> Task::link(const std::string& name) const {
    std::string target(PATH_MAX, '\0');
    const ssize_t length = ::readlinkat(proc_->fd(), entry(name).c_str(), target.data(), target.size());
    if (length < 0) return std::nullopt;
    target.resize(static_cast<std::size_t>(length));
    return target;
}

Fd Task::open_link(const std::string& name, int flags) const {
    return Fd(::openat(proc_->fd(), entry(name).c_str(), flags | O_CLOEXEC));
}

std::optional<Task::Identity> Task::identity() const {
    std::string status;
    try {
        status = proc_->read_file(ImagePath::clean(entry("status")), status_limit);
    } catch (const Error&) {
        return std::nullopt;
    }
    auto number = [&](std::string_view name, std::size_t index, int base = 10) {
        const auto numbers = status_numbers(status, name, base);
        return index < numbers.size() ? numbers[index] : 0;
    };
    constexpr std::size_t of_files = 3;  // real, effective, saved, for files
    return Identity{static_cast<pid_t>(number("Tgid", 0)), static_cast<pid_t>(number("PPid", 0)),
                    static_cast<uid_t>(number("Uid", of_files)), static_cast<gid_t>(number("Gid", of_files)),
                    static_cast<mode_t>(number("Umask", 0, 8))};
}

AsFileUser::AsFileUser(uid_t user, gid_t group) noexcept : changed_(user != 0 || group != 0) {
    if (!changed_) return;
    ::setfsgid(group);
    ::setfsuid(user);
}

AsFileUser::~AsFileUser() {
    if (!changed_) return;
    ::setfsuid(::geteuid());
    ::setfsgid(::getegid());
}

}  // namespace imgbuild::builder
