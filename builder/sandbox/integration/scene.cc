// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/integration/scene.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/error.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using namespace layerstore;

Entry entry_of(EntryKind kind, std::uint16_t mode) {
    Entry entry;
    entry.kind = kind;
    entry.mode = mode;
    entry.mtime = default_file_time;
    return entry;
}

std::string program_beside_us(const std::string& name) {
    std::string us(4096, '\0');
    ssize_t length = ::readlink("/proc/self/exe", us.data(), us.size());
    us.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    return Directory::open_host(us.substr(0, us.rfind('/'))).read_file(at(name), 16 << 20);
}

LayerDraft busybox_image() {
    LayerDraft draft;
    draft.directory("/bin").directory("/etc").directory("/root", 0700).directory("/tmp", 01777).directory("/home");
    draft.directory("/usr").directory("/usr/bin");
    std::string program = Directory::open_host("/bin").read_file(at("busybox"), 16 << 20);
    draft.file("/bin/busybox", std::move(program), 0755);
    std::string inside = program_beside_us("sandbox_inside");
    draft.file("/bin/inside", inside, 0755).file("/bin/inside-suid", std::move(inside), 04755);
    for (const char* applet :
         {"sh",     "cat",   "ls",    "id",       "pwd",  "env",   "mkdir",   "rm",   "touch", "ln",
          "mv",     "chmod", "chown", "sleep",    "echo", "true",  "false",   "kill", "mount", "umount",
          "mknod",  "grep",  "stat",  "readlink", "ps",   "head",  "wc",      "dd",   "sync",  "hostname",
          "find",   "cp",    "test",  "df",       "ip",   "su",    "tail",    "sed",  "awk",   "mkfifo",
          "chroot", "nc",    "sort",  "cut",      "tr",   "rmdir", "truncate"})
        draft.link(std::string("/bin/") + applet, "busybox");
    draft.file("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n");
    draft.file("/etc/group", "root:x:0:\nuser:x:1000:\n");
    return draft;
}

std::string read_memory_file(int fd) {
    std::string text(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
    if (::pread(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) return "(unreadable)";
    return text;
}

}  // namespace

LayerDraft& LayerDraft::directory(std::string_view path, std::uint16_t mode) {
    changes.push_back({at(path), ChangeKind::put, entry_of(EntryKind::directory, mode)});
    return *this;
}
LayerDraft& LayerDraft::file(std::string_view path, std::string bytes, std::uint16_t mode) {
    Entry entry = entry_of(EntryKind::file, mode);
    entry.size = bytes.size();
    entry.content = contents->add(std::move(bytes));
    changes.push_back({at(path), ChangeKind::put, entry});
    return *this;
}
LayerDraft& LayerDraft::link(std::string_view path, std::string target) {
    Entry entry = entry_of(EntryKind::symlink, 0777);
    entry.link_target = std::move(target);
    changes.push_back({at(path), ChangeKind::put, entry});
    return *this;
}
LayerDraft& LayerDraft::remove(std::string_view path) {
    changes.push_back({at(path), ChangeKind::remove, {}});
    return *this;
}
LayerDraft& LayerDraft::opaque(std::string_view path) {
    changes.push_back({at(path), ChangeKind::empty, entry_of(EntryKind::directory, 0755)});
    return *this;
}

LayerDraft& LayerDraft::same(std::vector<std::string> paths) {
    LinkGroup& group = links.emplace_back();
    for (const std::string& path : paths) group.push_back(at(path));
    return *this;
}

std::string tar_of(const TreeDelta& delta, const LayerDraft& draft) {
    ContentSources sources;
    sources.add(draft.contents);
    MemoryWriter tar;
    write_layer(delta, sources, tar);
    return tar.bytes();
}

std::string describe(const TreeDelta& delta) {
    constexpr std::array kinds{"directory", "file", "symlink", "fifo", "character", "block"};
    std::string text;
    for (const Change& change : delta.changes()) {
        constexpr std::array words{"put", "remove", "empty"};
        text += fmt::format("{} {}", words.at(static_cast<std::size_t>(change.kind)), change.path.absolute());
        const Entry& entry = change.entry;
        if (change.kind != ChangeKind::remove)
            text += fmt::format(" {} {:o} {}:{}", kinds.at(static_cast<std::size_t>(entry.kind)), entry.mode, entry.uid,
                                entry.gid);
        if (change.kind != ChangeKind::remove && entry.is_file()) text += fmt::format(" size={}", entry.size);
        if (!entry.link_target.empty()) text += " to=" + entry.link_target;
        if (entry.xattrs)
            for (const auto& [name, value] : *entry.xattrs) text += fmt::format(" {}({})", name, value.size());
        text += "\n";
    }
    for (const LinkGroup& group : delta.links()) {
        text += "same";
        for (const ImagePath& path : group) text += " " + path.absolute();
        text += "\n";
    }
    return text;
}

bool has_one_id() { return test_rung().mode == RootMode::single; }

bool has_mounts() { return test_rung().mode != RootMode::chroot; }

bool is_real_root() { return test_rung().mode == RootMode::root; }

SmallDisk::SmallDisk() {
    if (const char* given = std::getenv("IMGBUILD_TEST_SMALL_DISK")) {
        path_ = given;
        return;
    }
    place_.emplace(TemporaryDirectory::create());
    path_ = place_->path() + "/small";
    Directory::create_host(path_);
    if (::mount("small", path_.c_str(), "tmpfs", 0, "size=48m") < 0) throw_errno("mount", path_);
}

SmallDisk::~SmallDisk() {
    if (place_) ::umount2(path_.c_str(), MNT_DETACH);
}

const Rung& test_rung() {
    static const Rung rung = [] {
        const char* wanted = std::getenv("IMGBUILD_TEST_ROOT_MODE");
        return find_rung("/tmp", wanted ? root_mode_from_name(wanted) : std::nullopt);
    }();
    return rung;
}

Scene::Scene(const Rung& rung) : Scene(rung, {}) {}

Scene::Scene(const Rung& rung, const std::string& folder) : rung_(rung) {
    if (folder.empty()) place_.emplace(TemporaryDirectory::create());
    store_path_ = (place_ ? place_->path() : folder) + "/store";
    Directory::create_host(store_path_);
    sandbox_ = make_sandbox(rung_, store_path_);
    add_layer(busybox_image());
}

DeltaId Scene::materialise(const TreeDelta& delta, const LayerDraft& draft) {
    std::string tar = tar_of(delta, draft);
    MemoryReader reader(tar);
    sandbox_->materialise(delta.id(), reader);
    return delta.id();
}

DeltaId Scene::add_layer(const LayerDraft& draft) {
    TreeDelta delta = complete_for(TreeDelta::build(draft.changes, draft.links), tree_);
    layers_.push_back(materialise(delta, draft));
    tree_ = apply(tree_, delta);
    return layers_.back();
}

RunSpec Scene::spec(std::vector<std::string> arguments) const {
    RunSpec spec;
    spec.layers = layers_;
    spec.arguments = std::move(arguments);
    spec.environment = {"PATH=/bin:/usr/bin", "HOME=/root"};
    spec.network = NetworkMode::none;
    return spec;
}

Ran Scene::run(const RunSpec& spec) {
    Fd log(::memfd_create("log", MFD_CLOEXEC));
    Ran ran;
    ran.result = sandbox_->run(spec, log);
    ran.status = ran.result->status();
    ran.output = read_memory_file(log.get());
    return ran;
}

TreeDelta Scene::run_and_keep(const RunSpec& spec) {
    Ran ran = run(spec);
    if (!ran.status.ok()) throw Error(ErrorKind::command_failed, "test: the command failed: " + ran.output);
    TreeDelta normal = with_times(normalise(ran.result->changes(), tree_).delta, default_file_time);
    TreeDelta delta = complete_for(normal, tree_);
    ran.result->keep(delta, delta.id());
    layers_.push_back(delta.id());
    tree_ = apply(tree_, delta);
    return normal;
}

}  // namespace imgbuild::builder
