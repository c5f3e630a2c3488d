// SPDX-License-Identifier: Apache-2.0
#pragma once

// The places in a new root that something is put on: found inside it whatever links say, and made where they are
// missing. What was made only for that goes again when the command has ended.

#include <sys/stat.h>

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/directory.h"
#include "builder/sandbox/run_spec.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/tree/entry.h"

namespace imgbuild::builder {

/// A file or directory made in the image only to be mounted on, or to be read while a command runs.
struct MountStub {
    ImagePath path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool is_directory = false;
    std::string content;  ///< of a file; one that holds something else is the command's
};

/// Of the last access and the last change.
using FileTimes = std::array<timespec, 2>;
inline constexpr timespec constant_time{layerstore::default_file_time.seconds, 0};
inline constexpr FileTimes constant_times{constant_time, constant_time};

struct stat status_of(int fd, const std::string& name);
bool is_directory(int fd, const std::string& name);
FileTimes times_of(int fd, const std::string& name);

/// True for /dev, /proc and /sys and what lies below them: every link there is the kernel's or ours, and none is
/// followed.
bool is_system(const ImagePath& path);

class MountTargets {
  public:
    MountTargets() = default;
    /// `upper` is where what is made in `root` comes to lie: its overlay's upper directory, or `root` itself.
    MountTargets(Directory root, Directory upper, layerstore::OverlaySpelling spelling)
        : root_(std::move(root)), upper_(std::move(upper)), spelling_(spelling) {}

    const Directory& root() const noexcept { return root_; }
    const std::vector<MountStub>& stubs() const noexcept { return stubs_; }

    /// The path that `target` means when links on the way, also ones that lead to nothing, are followed in the root;
    /// with `strict`, `target` itself.
    ImagePath resolve(const ImagePath& target, bool strict) const;
    /// `target`, made as a stub where it is missing. Error{invalid_input} where a directory is wanted and stands not
    /// there, or the other way round.
    Fd open(const ImagePath& target, bool strict, bool is_directory);
    /// A file of `content`, root's and with mode 0644, in the place of what stands at `target`, links followed inside;
    /// false where that lies on a mount and cannot come into the layer: nothing was done then.
    bool put_file(const ImagePath& target, const std::string& content);
    /// The directory `path`, links followed inside; what is missing is made with mode 0755 for `owner`, and is the
    /// command's: it stays in the layer. Error{not_found} where none can be: below a file, in /dev, /proc or /sys.
    Fd open_or_make_directory(const ImagePath& path, const Credentials& owner);

  private:
    /// Told of everything that is made; true if it is to have the constant time and its parent the one it had.
    using WhenMade = std::function<bool(const ImagePath& path, bool is_directory)>;
    Fd make_missing(const ImagePath& path, bool is_directory, const WhenMade& when_made);
    /// False where the path cannot come into the layer.
    bool remember_stub(const ImagePath& path, bool is_directory, const std::string& content = {});

    Directory root_;
    Directory upper_;
    layerstore::OverlaySpelling spelling_ = layerstore::OverlaySpelling::trusted;
    std::vector<MountStub> stubs_;
};

/// True if `name` in the directory `parent` is a file that holds exactly `content`.
bool holds(int parent, const std::string& name, std::string_view content);

/// Takes the stubs away from the upper directory, innermost first: only what is still the object that was made,
/// and as it was made. Nothing runs in the sandbox any more.
void remove_stubs(const Directory& upper, const std::vector<MountStub>& stubs);

}  // namespace imgbuild::builder
