// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/integration/scene.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using namespace layerstore;

ImagePath at(std::string_view path) { return ImagePath::clean(path); }

Entry entry_of(EntryKind kind, std::uint16_t mode) {
    Entry entry;
    entry.kind = kind;
    entry.mode = mode;
    entry.mtime = default_file_time;
    return entry;
}

Draft busybox_image() {
    Draft draft;
    draft.directory("/bin").directory("/etc").directory("/root", 0700).directory("/tmp", 01777).directory("/home");
    draft.directory("/usr").directory("/usr/bin");
    std::string program = Directory::open_host("/bin").read_file(at("busybox"), 16 << 20);
    draft.file("/bin/busybox", std::move(program), 0755);
    for (const char* applet : {"sh",    "cat",    "ls",       "id",     "pwd",    "env",      "mkdir", "rm",    "touch",
                               "ln",    "mv",     "chmod",    "chown",  "sleep",  "echo",     "true",  "false", "kill",
                               "mount", "umount", "mknod",    "grep",   "stat",   "readlink", "ps",    "head",  "wc",
                               "dd",    "sync",   "hostname", "find",   "cp",     "test",     "df",    "ip",    "su",
                               "tail",  "sed",    "awk",      "mkfifo", "chroot", "nc",       "sort",  "cut",   "tr"})
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

Draft& Draft::directory(std::string_view path, std::uint16_t mode) {
    changes.push_back({at(path), ChangeKind::put, entry_of(EntryKind::directory, mode)});
    return *this;
}
Draft& Draft::file(std::string_view path, std::string bytes, std::uint16_t mode) {
    Entry entry = entry_of(EntryKind::file, mode);
    entry.size = bytes.size();
    entry.content = contents->add(std::move(bytes));
    changes.push_back({at(path), ChangeKind::put, entry});
    return *this;
}
Draft& Draft::link(std::string_view path, std::string target) {
    Entry entry = entry_of(EntryKind::symlink, 0777);
    entry.link_target = std::move(target);
    changes.push_back({at(path), ChangeKind::put, entry});
    return *this;
}
Draft& Draft::remove(std::string_view path) {
    changes.push_back({at(path), ChangeKind::remove, {}});
    return *this;
}
Draft& Draft::opaque(std::string_view path) {
    changes.push_back({at(path), ChangeKind::empty, entry_of(EntryKind::directory, 0755)});
    return *this;
}

const Rung& test_rung() {
    static const Rung rung = [] {
        const char* wanted = std::getenv("IMGBUILD_TEST_ROOT_MODE");
        return choose_rung(probe_rungs("/tmp"), wanted ? root_mode_from_name(wanted) : std::nullopt);
    }();
    return rung;
}

Scene::Scene(Rung rung) : place_(TemporaryDirectory::create()), store_path_(place_.path() + "/store") {
    Directory::create_host(store_path_);
    sandbox_ = make_sandbox(rung, store_path_);
    add_layer(busybox_image());
}

DeltaId Scene::materialise(const TreeDelta& delta, const Draft& draft) {
    ContentSources sources;
    sources.add(draft.contents);
    MemoryWriter tar;
    write_layer(delta, sources, tar);
    MemoryReader reader(tar.bytes());
    sandbox_->materialise(delta.id(), reader);
    return delta.id();
}

DeltaId Scene::add_layer(const Draft& draft) {
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
