// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/wanted_paths.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <set>

#include "base/cancel.h"
#include "base/error.h"
#include "base/text.h"
#include "builder/context/detail/found.h"
#include "builder/context/detail/listing.h"

namespace imgbuild::builder {
namespace {

constexpr int max_links = 255;

struct Object {
    mode_t type = 0;
    std::string link_target;
};

class Resolver {
  public:
    Resolver(const Directory& root, const parser::IgnoreRules* ignore) : root_(root), ignore_(ignore) {}

    WantedPaths run(const std::vector<ImagePath>& wanted) {
        for (const ImagePath& path : wanted) follow(path, true);
        for (std::size_t next = 0; next < linked_.size(); ++next) follow(linked_[next], false);
        return std::move(found_);
    }

  private:
    // Empty where nothing stands, or nothing that may be looked at.
    std::optional<Object> look(const ImagePath& path) const {
        try {
            auto fd = root_.try_open(path, O_PATH | O_NOFOLLOW, FollowLinks::never);
            if (!fd) return std::nullopt;
            struct stat status {};
            if (::fstat(fd->get(), &status) < 0) throw_unreadable(path.bytes());
            Object object{status.st_mode & S_IFMT, {}};
            if (S_ISLNK(status.st_mode)) object.link_target = link_target_at(fd->get(), "", path.bytes());
            return object;
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::interrupted) throw;
            return std::nullopt;
        }
    }

    bool is_ignored(const ImagePath& path) const { return ignore_ && ignore_->match(path.relative()).ignored; }

    // Walks `path` component by component; with `links_inside`, the links in the directory it ends at come later.
    void follow(const ImagePath& path, bool links_inside) {
        std::deque<std::string> left;
        for (std::string_view part : path.components()) left.emplace_back(part);
        ImagePath here;
        int links = 0;
        while (!left.empty()) {
            throw_if_cancelled();
            std::string name = std::move(left.front());
            left.pop_front();
            if (name.empty() || name == ".") continue;
            if (name == "..") {
                here = here.parent();
                continue;
            }
            if (!is_path_component(name) || here.bytes().size() + 1 + name.size() > ImagePath::max_bytes) return;
            here = here.child(name);
            auto object = look(here);
            if (object && S_ISDIR(object->type)) continue;
            if (!object || !S_ISLNK(object->type) || is_ignored(here)) return found_.add(here);
            found_.add(here);
            if (++links > max_links) return;
            here = object->link_target.starts_with('/') ? ImagePath() : here.parent();
            std::vector<std::string_view> parts = split(object->link_target, '/');
            left.insert(left.begin(), parts.begin(), parts.end());
        }
        found_.add(here);
        if (links_inside) note_links_in(here);
    }

    void note_links_in(const ImagePath& path) {
        if (!listed_.insert(path).second) return;
        try {
            Directory directory = root_.open_directory(path, FollowLinks::never);
            Listing listing = Listing::read(directory.fd(), path.bytes());
            for (const Listing::Name& name : listing.names()) {
                if (name.type != DT_LNK && name.type != DT_UNKNOWN) continue;
                if (path.bytes().size() + 1 + name.size > ImagePath::max_bytes) continue;
                ImagePath child = path.child(listing.text(name));
                if (!is_ignored(child)) linked_.push_back(std::move(child));
            }
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::interrupted) throw;
        }
    }

    const Directory& root_;
    const parser::IgnoreRules* ignore_;
    WantedPaths found_;
    std::vector<ImagePath> linked_;
    std::set<ImagePath> listed_;
};

}  // namespace

void WantedPaths::add(const ImagePath& path) {
    WantedPaths* here = this;
    for (std::string_view name : path.components()) {
        if (here->everything) return;
        here = &here->children.try_emplace(std::string(name)).first->second;
    }
    here->everything = true;
    here->children.clear();
}

WantedPaths resolve_wanted(const Directory& root, const std::vector<ImagePath>& wanted,
                           const parser::IgnoreRules* ignore) {
    if (std::ranges::any_of(wanted, &ImagePath::is_root)) return {.everything = true, .children = {}};
    return Resolver(root, ignore).run(wanted);
}

}  // namespace imgbuild::builder
