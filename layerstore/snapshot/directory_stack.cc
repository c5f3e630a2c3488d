// SPDX-License-Identifier: Apache-2.0
#include "layerstore/snapshot/directory_stack.h"

#include <fcntl.h>

#include "base/error.h"

namespace imgbuild::layerstore {

bool DirectoryStack::push(const std::string& name, const ImagePath& path) {
    Fd fd(::openat(innermost(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return false;
    levels_.push_back({std::move(fd), path});
    return true;
}

int DirectoryStack::enter(const ImagePath& directory) {
    leave_for(directory, [](int, const ImagePath&) {});
    ImagePath here = levels_.empty() ? ImagePath() : levels_.back().path;
    ImagePath rest = directory.relative_to(here);
    for (std::string_view part : rest.components()) {
        here = here.child(part);
        if (!push(std::string(part), here)) throw_errno("open directory", root_.name() + here.bytes());
    }
    return innermost();
}

}  // namespace imgbuild::layerstore
