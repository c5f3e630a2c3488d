// SPDX-License-Identifier: Apache-2.0
#include "cli/common/input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

namespace imgbuild::cli {

Input open_input(const std::string& path) {
    if (path == "-") return {std::make_unique<FdReader>(STDIN_FILENO, "standard input"), "standard input"};
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw_errno("open", path);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) throw_errno("stat", path);
    if (S_ISDIR(status.st_mode)) throw Error(ErrorKind::usage, path + ": is a directory, not a file");
    return {std::make_unique<FdReader>(std::move(fd), path), path};
}

}  // namespace imgbuild::cli
