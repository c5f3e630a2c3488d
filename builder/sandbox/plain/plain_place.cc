// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/plain/plain_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "builder/sandbox/plain/plain_proc.h"
#include "layerstore/snapshot/overlay_codec.h"

namespace imgbuild::builder {
namespace {

ImagePath in_place(std::string_view name) { return ImagePath().child(name); }

// The path of a host as a directory and a name in it.
std::pair<std::string, std::string> split_host_path(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

mode_t mode_of(const MountNew& op) {
    unsigned mode = 01777;
    for (const auto& [name, value] : op.options)
        if (name == "mode") std::from_chars(value.data(), value.data() + value.size(), mode, 8);
    return mode;
}

void move_name(int from, const std::string& name, int to, const std::string& new_name, const std::string& what) {
    if (::renameat(from, name.c_str(), to, new_name.c_str()) < 0) throw_errno("put in place", what);
}

// What the mount of another file system would be given: a fresh file, dressed.
Fd dressed(Fd file, const WriteFile& op, mode_t mode) {
    if (!file) throw_errno("make file", op.name);
    if (::fchown(file.get(), op.uid, op.gid) < 0) throw_errno("set owner of", op.name);
    if (::fchmod(file.get(), mode) < 0) throw_errno("set mode of", op.name);
    if (::futimens(file.get(), constant_times.data()) < 0) throw_errno("set times of", op.name);
    return file;
}

}  // namespace

PlainPlaces::PlainPlaces(const Directory& root, const Directory& work, std::vector<std::string> caches)
    : work_(work),
      aside_(work.make_directory(in_place("aside"))),
      made_(work.make_directory(in_place("placed"))),
      caches_(std::move(caches)),
      targets_(root.duplicate(), root.duplicate(), layerstore::OverlaySpelling::plain) {}

PlainPlaces::~PlainPlaces() {
    try {
        take_back();
    } catch (const Error&) {
        // What could not be put back goes with the root.
    }
}

void PlainPlaces::carry_out(const MountPlan& plan) {
    builder::carry_out(plan, [this](const MountOperation& operation) {
        std::visit([this](const auto& op) { apply(op); }, operation);
    });
}

std::string PlainPlaces::next_name() { return std::to_string(count_++); }

void PlainPlaces::place(const Place& from, const ImagePath& target, const std::optional<Home>& home) {
    struct stat status {};
    if (::fstatat(from.parent.fd(), from.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0)
        throw_errno("open", from.name);
    const ImagePath real = targets_.resolve(target, is_system(target));
    targets_.open(real, true, S_ISDIR(status.st_mode));
    Directory parent = targets_.root().open_directory(real.parent(), FollowLinks::never);
    const std::string name(real.name());
    const FileTimes times = times_of(parent.fd(), real.parent().absolute());
    Placed placed{real, status.st_dev, status.st_ino, next_name(), std::nullopt};
    if (home) {
        placed.home = Place{from.parent.duplicate(), from.name};
        note_return(work_, {in_place(plain_root_name).join(real), *home, from.name, status.st_dev, status.st_ino});
    }
    move_name(parent.fd(), name, aside_.fd(), placed.stood, real.absolute());
    placed_.push_back(std::move(placed));
    move_name(from.parent.fd(), from.name, parent.fd(), name, real.absolute());
    // What a command sees of the image's times does not tell when it ran.
    if (::futimens(parent.fd(), times.data()) < 0) throw_errno("set times of", real.parent().absolute());
}

void PlainPlaces::apply(const StackLayers&) {}  // it stands in the work folder already
void PlainPlaces::apply(const UseAsRoot&) {}
void PlainPlaces::apply(const Mask&) {}  // nothing of the host is there to be hidden
void PlainPlaces::apply(const Protect&) {}

void PlainPlaces::apply(const MountNew& op) {
    const std::string name = next_name();
    const Directory made = made_.make_directory(in_place(name));
    if (op.type == "proc") write_static_proc(made);
    if (::fchmod(made.fd(), op.type == "proc" ? 0555 : mode_of(op)) < 0) throw_errno("set mode of", op.type);
    place({made_.duplicate(), name}, op.target);
}

void PlainPlaces::apply(const WriteFile& op) {
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    Fd file(::openat(made_.fd(), op.name.c_str(), flags, 0600));
    if (!file) throw_errno("make file", op.name);
    Fd memory;
    if (op.secret) {
        memory = Fd(::memfd_create("secret", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        if (!memory) throw_errno("make file", op.name);
    }
    FdWriter(memory ? memory.get() : file.get(), op.name).write(as_bytes(op.content));
    dressed(std::move(file), op, op.mode);
    if (!op.secret) return;
    memory = dressed(std::move(memory), op, op.mode);
    if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        throw_errno("seal", op.name);
    secrets_.emplace_back(op.name, std::move(memory));
}

void PlainPlaces::apply(const PlaceFile& op) {
    apply(WriteFile{op.name, op.content, 0644, 0, 0});
    const ImagePath real = targets_.resolve(op.target, false);
    const bool is_covered =
        std::ranges::any_of(placed_, [&](const Placed& other) { return real.is_below(other.target); });
    place({made_.duplicate(), op.name}, real);
    if (!is_covered) placed_.back().content = op.content;
}

void PlainPlaces::apply(const BindStaged& op) {
    constexpr std::string_view cache = "cache-";
    if (op.stage.starts_with(cache)) {
        const auto index = parse_unsigned(std::string_view(op.stage).substr(cache.size()));
        return place_cache(op, static_cast<std::size_t>(index.value()));
    }
    if (op.stage != "files") {
        const bool whole = op.source.is_root();
        const Directory stage = work_.open_directory(in_place(op.stage), FollowLinks::never);
        return place(
            whole ? Place{work_.duplicate(), op.stage}
                  : Place{stage.open_directory(op.source.parent(), FollowLinks::never), std::string(op.source.name())},
            op.target);
    }
    const std::string name(op.source.name());
    place({made_.duplicate(), name}, op.target);
    auto secret = std::ranges::find(secrets_, name, &std::pair<std::string, Fd>::first);
    Fd content = secret == secrets_.end() ? Fd() : std::move(secret->second);
    stand_ins_.push_back({placed_.back().device, placed_.back().inode, std::move(content), true});
}

void PlainPlaces::place_cache(const BindStaged& op, std::size_t index) {
    const std::string& path = caches_.at(index);
    if (op.flags.read_only) {
        const std::string name = next_name();
        const Directory copy = made_.make_directory(in_place(name));
        layerstore::lay_over(Directory::open_host(path), copy, layerstore::OverlaySpelling::plain);
        return place(op.source.is_root() ? Place{made_.duplicate(), name}
                                         : Place{copy.open_directory(op.source.parent(), FollowLinks::never),
                                                 std::string(op.source.name())},
                     op.target);
    }
    const auto [folder, name] = split_host_path(path);
    const Home home = op.source.is_root() ? Home{folder, ImagePath()} : Home{path, op.source.parent()};
    try {
        place({home.open(), op.source.is_root() ? name : std::string(op.source.name())}, op.target, home);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found || std::ranges::count(caches_, path) < 2) throw;
        throw Error(ErrorKind::unsupported, "one cache cannot be in two places where nothing can be mounted",
                    "give the mounts of this RUN different ids, or one target");
    }
}

// Only sockets that were made for this command are taken from the host.
void PlainPlaces::apply(const BindHost& op) {
    const std::string name = next_name();
    if (::linkat(AT_FDCWD, op.path.c_str(), made_.fd(), name.c_str(), 0) < 0) throw_errno("link", op.path);
    place({made_.duplicate(), name}, op.target);
}

void PlainPlaces::apply(const SetOwner& op) {
    if (::lchown(op.path.c_str(), op.uid, op.gid) < 0) throw_errno("set owner of", op.path);
    if (::chmod(op.path.c_str(), op.mode) < 0) throw_errno("set mode of", op.path);
}

void PlainPlaces::apply(const MakeDirectory& op) {
    const Directory parent = targets_.root().open_directory(op.path.parent(), FollowLinks::never);
    if (::mkdirat(parent.fd(), std::string(op.path.name()).c_str(), op.mode) < 0)
        throw_errno("make directory", op.path.absolute());
}

void PlainPlaces::apply(const MakeLink& op) {
    const Directory parent = targets_.root().open_directory(op.path.parent(), FollowLinks::never);
    if (::symlinkat(op.target.c_str(), parent.fd(), std::string(op.path.name()).c_str()) < 0)
        throw_errno("make link", op.path.absolute());
}

// Where no device can be made or opened, an empty file stands for the one that this process can open.
void PlainPlaces::apply(const MakeDevice& op) {
    const Directory parent = targets_.root().open_directory(op.path.parent(), FollowLinks::never);
    const std::string name(op.path.name());
    if (::mknodat(parent.fd(), name.c_str(), S_IFCHR | 0666, ::makedev(op.major, op.minor)) == 0) {
        if (::fchmodat(parent.fd(), name.c_str(), 0666, 0) < 0) throw_errno("set mode of", op.path.absolute());
        const Fd tried(::openat(parent.fd(), name.c_str(), O_RDONLY | O_NOCTTY | O_CLOEXEC));
        if (tried || (errno != EACCES && errno != EPERM)) return;
        ::unlinkat(parent.fd(), name.c_str(), 0);
    }
    Fd file(::openat(parent.fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file) throw_errno("make device", op.path.absolute());
    const struct stat status = status_of(file.get(), name);
    Fd device(::open(op.path.bytes().c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (device) stand_ins_.push_back({status.st_dev, status.st_ino, std::move(device), false});
}

void PlainPlaces::take_back(Placed& placed) {
    const std::string name(placed.target.name());
    auto parent = targets_.root().try_open(placed.target.parent(), O_PATH | O_DIRECTORY, FollowLinks::never);
    if (!parent) return;  // removed with all that was in it
    struct stat status {};
    const bool stands = ::fstatat(parent->get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (placed.content) {
        const bool is_same = stands && status.st_dev == placed.device && status.st_ino == placed.inode;
        if (!is_same || !holds(parent->get(), name, *placed.content)) return;
    }
    if (stands) {
        const bool is_ours = status.st_dev == placed.device && status.st_ino == placed.inode;
        if (is_ours && placed.home)
            move_name(parent->get(), name, placed.home->parent.fd(), placed.home->name, placed.target.absolute());
        else
            move_name(parent->get(), name, aside_.fd(), next_name(), placed.target.absolute());
    }
    move_name(aside_.fd(), placed.stood, parent->get(), name, placed.target.absolute());
}

void PlainPlaces::take_back() {
    while (!placed_.empty()) {
        Placed placed = std::move(placed_.back());
        placed_.pop_back();
        try {
            take_back(placed);
        } catch (const Error& error) {
            // A link in the place of a parent: what stood below it went with it.
            if (error.kind() != ErrorKind::invalid_input) throw;
        }
    }
    remove_stubs(targets_.root(), targets_.stubs());
}

}  // namespace imgbuild::builder
