// SPDX-License-Identifier: Apache-2.0
#pragma once

// The directories on the way to one path, held open, so that a pass in path order opens each directory once.
// No component is followed if it is a link.

#include <string>
#include <string_view>
#include <vector>

#include "base/directory.h"
#include "base/fd.h"
#include "base/image_path.h"

namespace imgbuild::layerstore {

class DirectoryStack {
  public:
    /// `root` is borrowed and must outlive the stack.
    explicit DirectoryStack(const Directory& root) : root_(root) {}

    /// Leaves every held directory that is not `path` or above it, calling `leave(fd, path)` for each, innermost
    /// first.
    template <class Leave>
    void leave_for(const ImagePath& path, Leave leave) {
        while (!levels_.empty() && levels_.back().path != path && !path.is_below(levels_.back().path)) {
            leave(levels_.back().fd.get(), levels_.back().path);
            levels_.pop_back();
        }
    }

    /// The descriptor of `directory`, entered from the held ones above it. Throws Error where a component is
    /// missing or no directory.
    int enter(const ImagePath& directory);
    /// As enter(), making what is missing: `make(parent fd, name, path)` is called for each such directory.
    template <class Make>
    int enter_or_make(const ImagePath& directory, Make make) {
        leave_for(directory, [](int, const ImagePath&) {});
        ImagePath here = levels_.empty() ? ImagePath() : levels_.back().path;
        ImagePath rest = directory.relative_to(here);
        for (std::string_view part : rest.components()) {
            here = here.child(part);
            std::string name(part);
            if (!push(name, here)) {
                make(innermost(), name, here);
                enter(here);
            }
        }
        return innermost();
    }

    /// The innermost held directory, or the root.
    int innermost() const noexcept { return levels_.empty() ? root_.fd() : levels_.back().fd.get(); }

  private:
    struct Level {
        Fd fd;
        ImagePath path;
    };
    bool push(const std::string& name, const ImagePath& path);

    const Directory& root_;
    std::vector<Level> levels_;
};

/// The last component as a C string's owner.
inline std::string name_of(const ImagePath& path) { return std::string(path.name()); }

}  // namespace imgbuild::layerstore
