// SPDX-License-Identifier: Apache-2.0
#include "builder/image/detail/file_destination.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>

#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder::detail {
namespace {

constexpr unsigned file_mode = 0666;  // less the umask, as a shell's redirection makes a file

void refuse_terminal(int fd, const std::string& name) {
    if (::isatty(fd) == 1)
        throw Error(ErrorKind::usage, fmt::format("write {}: it is a terminal", printable(name)),
                    "send the output to a file (dest=PATH) or into a pipe");
}

void write_through(int fd, const std::string& name, const std::function<void(ByteWriter&)>& write) {
    refuse_terminal(fd, name);
    FdWriter out(fd, printable(name));
    write(out);
}

// The file itself, where `path` is a link to one: the link is the user's and stays.
std::string target_of(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> target(::realpath(path.c_str(), nullptr), &std::free);
    return target ? std::string(target.get()) : path;
}

}  // namespace

HostPlace place_of(const std::string& path) {
    const std::size_t end = path.find_last_not_of('/');
    if (end == std::string::npos) return {.parent = path.empty() ? "." : "/", .name = ""};
    const std::size_t slash = path.find_last_of('/', end);
    if (slash == std::string::npos) return {.parent = ".", .name = path.substr(0, end + 1)};
    return {.parent = path.substr(0, slash == 0 ? 1 : slash), .name = path.substr(slash + 1, end - slash)};
}

void require_destination(const std::string& path) {
    if (path.empty()) throw Error(ErrorKind::usage, "write the output: its path is empty", "say dest=PATH");
}

void write_to_file(const std::string& path, const std::function<void(ByteWriter&)>& write) {
    require_destination(path);
    if (path == "-") {
        write_through(STDOUT_FILENO, "standard output", write);
        return;
    }
    struct stat status {};
    const bool exists = ::stat(path.c_str(), &status) == 0;
    if (path.back() == '/' || (exists && S_ISDIR(status.st_mode)))
        throw Error(ErrorKind::usage, fmt::format("write {}: it is a directory", printable(path)),
                    "name a file, or ask for an output that is a directory (type=local, or tar=false)");
    if (exists && !S_ISREG(status.st_mode)) {
        const Fd fd(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
        if (!fd) throw_errno("write", printable(path));
        write_through(fd.get(), path, write);
        return;
    }
    const HostPlace place = place_of(exists ? target_of(path) : path);
    const Directory folder = Directory::open_host(place.parent);
    AtomicFile file(folder, place.name, Durability::none, file_mode);  // it can be written again from the store
    write(file);
    file.commit();
}

}  // namespace imgbuild::builder::detail
