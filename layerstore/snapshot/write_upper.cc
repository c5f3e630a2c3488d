// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/file_io.h"
#include "base/text.h"
#include "layerstore/layer/tar_reader.h"
#include "layerstore/layer/tar_writer.h"
#include "layerstore/snapshot/directory_stack.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::layerstore {
namespace {

class UpperWriter {
  public:
    UpperWriter(TarReader& tar, const Directory& out, OverlaySpelling spelling)
        : tar_(tar), out_(out), spelling_(spelling), stack_(out) {}

    void write_all() {
        while (std::optional<TarEntry> entry = tar_.next()) write(*entry);
        stack_.leave_for(ImagePath(), [this](int fd, const ImagePath& path) { finish_directory(fd, path); });
        dress(out_.fd(), root_, ImagePath(), spelling_);
        stamp(out_.fd(), root_.mtime, ImagePath());
    }

  private:
    struct PendingDirectory {
        ImagePath path;
        Entry entry;
    };

    [[noreturn]] void refuse(std::string_view name, std::string_view reason) const {
        throw Error(ErrorKind::invalid_input, fmt::format("materialise: {}: {}", printable(name), reason));
    }

    void write(const TarEntry& entry) {
        const std::optional<std::string> removed = whiteout_target(entry.name);
        auto path = ImagePath::parse_strict(removed ? *removed : entry.name);
        if (!path || (removed && path->is_root())) refuse(entry.name, "no path of a layer");
        if (path->is_root()) {
            if (!entry.entry.is_directory()) refuse(entry.name, "the root is a directory");
            root_ = entry.entry;
            return;
        }
        int parent = enter_parent(path->parent());
        if (path->name() == opaque_marker_name) {
            set_opaque(parent, spelling_, path->parent());
            return;
        }
        if (last_ && !(*last_ < *path)) refuse(entry.name, "out of order");
        last_ = path;
        if (removed)
            make_whiteout(parent, *path);
        else
            put(parent, *path, entry);
    }

    void put(int parent, const ImagePath& path, const TarEntry& entry) {
        if (entry.is_hard_link) {
            link(parent, path, entry.link_name);
        } else if (entry.entry.is_directory()) {
            make_raw_directory(parent, path);
            pending_.push_back({path, entry.entry});
            stack_.enter(path);
        } else if (entry.entry.is_file()) {
            write_file(parent, path, entry.entry);
        } else if (make_special(parent, path, entry.entry, spelling_)) {
            stamp_at(parent, path, entry.entry.mtime);
        }
    }

    int enter_parent(const ImagePath& parent) {
        stack_.leave_for(parent, [this](int fd, const ImagePath& path) { finish_directory(fd, path); });
        return stack_.enter_or_make(parent, [this](int above, const std::string&, const ImagePath& path) {
            make_raw_directory(above, path);
            pending_.push_back({path, implied_directory()});
        });
    }

    void finish_directory(int fd, const ImagePath& path) {
        if (pending_.empty() || pending_.back().path != path)
            throw Error(ErrorKind::internal, "materialise: " + path.absolute() + ": left twice");
        dress(fd, pending_.back().entry, path, spelling_);
        stamp(fd, pending_.back().entry.mtime, path);
        pending_.pop_back();
    }

    void link(int parent, const ImagePath& path, const std::string& link_name) {
        auto target = ImagePath::parse_strict(link_name);
        if (!target || target->is_root()) refuse(link_name, "no target of a hard link");
        Fd from = out_.open(target->parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
        if (::linkat(from.get(), name_of(*target).c_str(), parent, name_of(path).c_str(), 0) < 0)
            throw_errno("link", path.absolute());
    }

    void write_file(int parent, const ImagePath& path, const Entry& entry) {
        Fd fd(::openat(parent, name_of(path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       entry.mode & 0777));
        if (!fd) throw_errno("make file", path.absolute());
        write_with_holes(
            fd.get(), [this](std::span<std::byte> buffer) { return tar_.read(buffer); }, block_.bytes(),
            path.absolute());
        dress(fd.get(), entry, path, spelling_);
        stamp(fd.get(), entry.mtime, path);
    }

    TarReader& tar_;
    const Directory& out_;
    OverlaySpelling spelling_;
    DirectoryStack stack_;
    StreamBlock block_;
    std::vector<PendingDirectory> pending_;
    Entry root_ = implied_directory();
    std::optional<ImagePath> last_;
};

}  // namespace

void write_upper(ByteReader& canonical_tar, const Directory& out, OverlaySpelling spelling) {
    TarReader tar(canonical_tar, "the delta");
    UpperWriter(tar, out, spelling).write_all();
}

}  // namespace imgbuild::layerstore
