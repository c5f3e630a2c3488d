// SPDX-License-Identifier: Apache-2.0
#include "fetch/accounts/token_jar.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

namespace imgbuild::fetch {
namespace {

// Tokens of some kilobytes for some dozens of repositories; beyond, it begins anew.
constexpr std::size_t most_jar_bytes = 512 * 1024;

int& jar() {
    static int fd = -1;
    return fd;
}

// Among processes: they share one open file, whose own lock would not keep them apart.
class JarLock {
  public:
    explicit JarLock(short kind) { set(kind); }
    ~JarLock() { set(F_UNLCK); }
    JarLock(const JarLock&) = delete;
    JarLock& operator=(const JarLock&) = delete;

  private:
    static void set(short kind) {
        struct flock lock {};
        lock.l_type = kind;
        lock.l_whence = SEEK_SET;
        ::fcntl(jar(), F_SETLKW, &lock);
    }
};

std::size_t jar_size() {
    struct stat facts {};
    return ::fstat(jar(), &facts) == 0 && facts.st_size > 0 ? static_cast<std::size_t>(facts.st_size) : 0;
}

}  // namespace

void use_token_jar(int fd) {
    // A file on a disk has no seals, and one that somebody sees has a name: neither is written into.
    struct stat facts {};
    const bool is_nameless = ::fstat(fd, &facts) == 0 && facts.st_nlink == 0;
    jar() = is_nameless && ::fcntl(fd, F_GET_SEALS) >= 0 ? fd : -1;
    // No business of git's and of others that a helper starts.
    if (jar() >= 0) ::fcntl(jar(), F_SETFD, FD_CLOEXEC);
}

std::string recall_token(const std::string& key) {
    if (jar() < 0 || key.empty()) return {};
    const JarLock lock(F_RDLCK);
    std::string text(jar_size(), '\0');
    const ssize_t count = ::pread(jar(), text.data(), text.size(), 0);
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    // A line each, "\nKEY\tTOKEN\n"; the last one counts.
    const std::size_t found = text.rfind(fmt::format("\n{}\t", key));
    if (found == std::string::npos) return {};
    const std::size_t begin = found + key.size() + 2;
    return text.substr(begin, text.find('\n', begin) - begin);
}

void remember_token(const std::string& key, const std::string& value) {
    const std::string line = fmt::format("\n{}\t{}\n", key, value);
    if (jar() < 0 || key.empty() || line.size() > most_jar_bytes) return;
    const JarLock lock(F_WRLCK);
    std::size_t size = jar_size();
    if (size + line.size() > most_jar_bytes) {
        if (::ftruncate(jar(), 0) != 0) return;
        size = 0;
    }
    static_cast<void>(!::pwrite(jar(), line.data(), line.size(), static_cast<off_t>(size)));
}

}  // namespace imgbuild::fetch
