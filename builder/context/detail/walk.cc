// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/cancel.h"
#include "base/image_path.h"
#include "base/input_limits.h"
#include "base/text.h"
#include "builder/context/detail/listing.h"
#include "builder/context/detail/look_ahead.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::builder {
namespace {

using layerstore::EntryKind;
using layerstore::kind_of;

// A context may be deeper than a process may hold descriptors: levels further up are opened again on the way back.
constexpr std::size_t open_levels = 64;
// Below this many paths a walk is over before another thread has begun.
constexpr std::size_t worth_looking_ahead = 500;
constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct InodeHash {
    std::size_t operator()(const std::pair<std::uint64_t, std::uint64_t>& key) const noexcept {
        return std::hash<std::uint64_t>()(key.first * 0x9e3779b97f4a7c15 ^ key.second);
    }
};

class Walker {
  public:
    Walker(const Directory& root, const WantedPaths& wanted, const ContextIndex& index, const WalkOptions& options,
           TaskPool& pool)
        : root_(root),
          ignore_(options.ignore),
          settled_before_(options.settled_before),
          old_(index),
          expected_(index.count()),
          look_ahead_(root, pool) {
        found_.kept.resize(index.count());
        // A context is mostly as large as it was: growing on the way costs more than all else here.
        found_.entries.reserve(index.count() + index.count() / 16 + 64);
        struct stat status {};
        if (::fstat(root.fd(), &status) < 0) throw_unreadable({});
        status.st_mode = S_IFDIR | 0755;  // whoever made the directory said nothing about the image's root
        Fd fd(::openat(root.fd(), ".", directory_flags));
        if (!fd) throw_unreadable({});
        add(status, -1, {});
        push({std::move(fd), {}, {}}, wanted.everything ? nullptr : &wanted, {});
    }

    FoundPaths run() {
        while (!levels_.empty()) {
            throw_if_cancelled();
            Level& level = levels_.back();
            path_.resize(level.path_size);
            if (level.next < level.names.names().size()) {
                visit(level, level.next++);
                continue;
            }
            skip_below(!level.listed);
            levels_.pop_back();
        }
        for (const Found& found : found_.entries)
            if (!found.included && found.indexed != nothing) found_.kept[found.indexed] = true;
        return std::move(found_);
    }

  private:
    struct Level {
        Fd fd;
        std::size_t path_size = 0;
        std::uint32_t entry = 0;
        bool listed = true;                   // all names were seen, not only the wanted ones
        const WantedPaths* wanted = nullptr;  // null: everything below
        parser::IgnoreState ignore;
        Listing names;
        std::size_t next = 0;
        std::vector<std::optional<struct stat>> statuses;             // of the first names, where somebody looked ahead
        std::deque<std::pair<std::size_t, LookAhead::Ticket>> ahead;  // directories by number of their name
        std::size_t looked_ahead = 0;                                 // the names before it were thought of
    };

    // `look` holds a descriptor and perhaps what was seen through it.
    void push(DirectoryLook look, const WantedPaths* wanted, parser::IgnoreState ignore) {
        Level level{.path_size = path_.size(),
                    .entry = static_cast<std::uint32_t>(found_.entries.size() - 1),
                    .listed = wanted == nullptr,
                    .wanted = wanted,
                    .ignore = std::move(ignore)};
        if (!level.listed)
            for (const auto& [name, below] : wanted->children) level.names.add(name, DT_UNKNOWN);
        else if (look.names.names().empty())
            level.names = Listing::read(look.fd.get(), path_);
        else
            level.names = std::move(look.names);
        if (level.listed) level.statuses = std::move(look.statuses);
        level.fd = std::move(look.fd);
        levels_.push_back(std::move(level));
        look_ahead(levels_.back());
        if (levels_.size() > open_levels) levels_[levels_.size() - 1 - open_levels].fd.reset();
    }

    // Lets others look at the next directories of a level.
    void look_ahead(Level& level) {
        if (!level.listed || expected_ + found_.entries.size() < worth_looking_ahead) return;
        const auto& names = level.names.names();
        std::string path(path_, 0, level.path_size);
        std::size_t& at = level.looked_ahead;
        for (at = std::max(at, level.next); at < names.size(); ++at) {
            if (names[at].type != DT_DIR) continue;
            path.resize(level.path_size);
            path += '/';
            path += level.names.text(names[at]);
            if (path.size() > ImagePath::max_bytes) continue;
            const std::string_view relative = std::string_view(path).substr(1);
            if (ignore_ && ignore_->match(relative, level.ignore).ignored) continue;
            LookAhead::Ticket ticket = look_ahead_.want(path);
            if (!ticket) return;
            level.ahead.emplace_back(at, std::move(ticket));
        }
    }

    std::optional<DirectoryLook> take_look(Level& level, std::size_t number) {
        if (level.ahead.empty() || level.ahead.front().first != number) return std::nullopt;
        const LookAhead::Ticket ticket = std::move(level.ahead.front().second);
        level.ahead.pop_front();
        return look_ahead_.take(ticket);
    }

    std::optional<struct stat> status_of(Level& level, std::size_t number) {
        if (number < level.statuses.size() && level.statuses[number]) return level.statuses[number];
        return status_at(descriptor_of(level), level.names.text(level.names.names()[number]).data(), path_);
    }

    int descriptor_of(Level& level) {
        if (!level.fd)
            level.fd = root_.open(ImagePath::clean(std::string_view(path_).substr(0, level.path_size)), directory_flags,
                                  FollowLinks::never);
        return level.fd.get();
    }

    void visit(Level& level, std::size_t number) {
        const Listing::Name item = level.names.names()[number];
        std::string_view name = level.names.text(item);
        std::optional<DirectoryLook> look = take_look(level, number);
        if (item.type == DT_DIR) look_ahead(level);
        path_ += '/';
        path_ += name;
        skip_to_here(!level.listed);
        std::optional<struct stat> status;
        bool is_directory = item.type == DT_DIR;
        if (item.type == DT_UNKNOWN) {
            status = status_of(level, number);
            if (!status) return forget();
            is_directory = S_ISDIR(status->st_mode);
        }
        parser::IgnoreState state;
        bool ignored = false;
        if (ignore_) {
            std::string_view path = std::string_view(path_).substr(1);
            ignored = ignore_->match(path, level.ignore, is_directory ? &state : nullptr).ignored;
            if (ignored && !(is_directory && ignore_->may_reinclude_below(path))) return keep();
        }
        if (path_.size() > ImagePath::max_bytes) {
            if (ignored) return keep();
            throw Error(
                ErrorKind::invalid_input,
                fmt::format("context: {}: the path is longer than {} bytes", shown(path_), ImagePath::max_bytes),
                "list it in .dockerignore");
        }
        if (!status) status = status_of(level, number);
        if (!status) return forget();
        if (S_ISDIR(status->st_mode) != is_directory) throw changed_while_reading(path_);
        if (S_ISREG(status->st_mode)) check_size(static_cast<std::uint64_t>(status->st_size));
        if (is_directory)
            enter(level, name, *status, {std::move(state), ignored, std::move(look)});
        else
            add(*status, descriptor_of(level), name);
    }

    // Before hours are spent on hashing what no layer can hold; most such files are holes.
    void check_size(std::uint64_t size) const {
        if (size >= limits::archive_bytes)
            throw Error(ErrorKind::invalid_input,
                        fmt::format("context: {}: a file of {}, and a layer holds less than {}", shown(path_),
                                    human_size(size), human_size(limits::archive_bytes)),
                        "list it in .dockerignore");
    }

    struct Entrance {
        parser::IgnoreState ignore;
        bool ignored = false;
        std::optional<DirectoryLook> look;
    };

    void enter(Level& level, std::string_view name, const struct stat& status, Entrance entrance) {
        DirectoryLook look = std::move(entrance.look).value_or(DirectoryLook());
        if (!look.fd) look.fd = Fd(::openat(descriptor_of(level), name.data(), directory_flags));
        if (!look.fd && entrance.ignored) return keep();
        if (!look.fd) throw_unreadable(path_);
        const WantedPaths* wanted = level.wanted ? &level.wanted->children.find(name)->second : nullptr;
        if (wanted && wanted->everything) wanted = nullptr;
        add(status, -1, name, !entrance.ignored).record.xattrs =
            layerstore::read_xattrs(look.fd.get(), ImagePath::clean(path_));
        push(std::move(look), wanted, std::move(entrance.ignore));
    }

    // Notes the path; `parent` is the descriptor of its directory, for links.
    Found& add(const struct stat& status, int parent, std::string_view name, bool included = true) {
        Found& found = found_.entries.emplace_back();
        auto index = static_cast<std::uint32_t>(found_.entries.size() - 1);
        found.path_at = found_.bytes.size();
        found.path_size = static_cast<std::uint32_t>(path_.size());
        found_.bytes += path_;
        found.depth = static_cast<std::uint32_t>(levels_.size());
        found.parent = levels_.empty() ? nothing : levels_.back().entry;
        found.included = included;
        for (std::uint32_t up = found.parent; included && up != nothing && !found_.entries[up].included;
             up = found_.entries[up].parent)
            found_.entries[up].included = true;
        found.record.kind = kind_of(status.st_mode);
        found.record.mode = static_cast<std::uint16_t>(status.st_mode & 07777);
        found.mtime = levels_.empty() ? layerstore::default_file_time : identity_of(status).mtime;
        found.known = !S_ISREG(status.st_mode);
        if (found.record.kind == EntryKind::file)
            describe_file(found, index, status);
        else
            describe_other(found, status, parent, name);
        compare_with_index(found, S_ISREG(status.st_mode));
        return found;
    }

    void describe_file(Found& found, std::uint32_t index, const struct stat& status) {
        found.record.identity = identity_of(status);
        found.record.settled = std::max(found.record.identity.mtime, found.record.identity.ctime) < settled_before_;
        if (S_ISSOCK(status.st_mode)) {
            found.record.identity.size = 0;
            found.record.content = Sha256::of("");
        } else if (status.st_nlink > 1) {
            found.same_file = links_.try_emplace({status.st_dev, status.st_ino}, index).first->second;
            if (found_.entries[found.same_file].record.identity != found.record.identity)
                throw changed_while_reading(path_);
        }
    }

    void describe_other(Found& found, const struct stat& status, int parent, std::string_view name) {
        if (found.record.kind == EntryKind::symlink) {
            found.record.mode = 0777;
            found.link_target = link_target_at(parent, name.data(), path_);
            found.record.content = Sha256::of(found.link_target);
        } else if (found.record.kind != EntryKind::directory && found.record.kind != EntryKind::fifo) {
            found.device_major = ::major(status.st_rdev);
            found.device_minor = ::minor(status.st_rdev);
            found.record.content = Sha256::of(fmt::format("{}:{}", found.device_major, found.device_minor));
        }
    }

    void compare_with_index(Found& found, bool is_regular) {
        if (old_.at_end() || old_.path() != path_) return;
        const IndexRecord& old = old_.record();
        found.indexed = old_.number();
        if (is_regular && old.settled && old.kind == EntryKind::file && old.identity == found.record.identity) {
            found.known = true;
            found.record.settled = true;
            found.record.content = old.content;
            found.record.xattrs = old.xattrs;
        }
        IndexRecord same = found.record;
        same.first_seen = old.first_seen;
        if (found.known && same == old) {
            found.record.first_seen = old.first_seen;
        } else {
            found.replaced = static_cast<std::uint32_t>(found_.replaced.size());
            found_.replaced.push_back(old);
        }
        old_.next();
    }

    // The index's records before this path: of names that are gone, or that nobody looked for (`keep`).
    void skip_to_here(bool keep) {
        for (; !old_.at_end() && compare_path_bytes(old_.path(), path_) < 0; old_.next()) keep_record(keep);
    }
    void skip_below(bool keep) {
        for (; !old_.at_end() && lies_below(old_.path(), path_); old_.next()) keep_record(keep);
    }
    void keep_record(bool keep) { found_.kept[old_.number()] = keep; }

    // This path and all below it stay in the index, not looked at, or leave it.
    void keep() { pass(true); }
    void forget() { pass(false); }
    void pass(bool keep) {
        if (!old_.at_end() && old_.path() == path_) {
            keep_record(keep);
            old_.next();
        }
        skip_below(keep);
    }

    const Directory& root_;
    const parser::IgnoreRules* ignore_;
    layerstore::FileTime settled_before_;
    ContextIndex::Cursor old_;
    std::size_t expected_;  // paths: those of the index
    LookAhead look_ahead_;
    FoundPaths found_;
    std::deque<Level> levels_;  // references stay good while it grows
    std::string path_;          // of what is being looked at
    std::unordered_map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t, InodeHash> links_;
};

}  // namespace

FoundPaths walk_context(const Directory& root, const WantedPaths& wanted, const ContextIndex& index,
                        const WalkOptions& options, TaskPool& pool) {
    return Walker(root, wanted, index, options, pool).run();
}

}  // namespace imgbuild::builder
