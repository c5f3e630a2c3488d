// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the sandbox's integration tests share: a store of their own, a root file system made of Debian's static
// busybox, and commands run in it.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/temporary_directory.h"
#include "builder/sandbox/sandbox.h"
#include "layerstore/tree/content_source.h"
#include "layerstore/tree/tree.h"

namespace imgbuild::builder {

inline ImagePath at(std::string_view path) { return ImagePath::clean(path); }

/// A delta in the making, with the bytes of its files.
struct LayerDraft {
    std::vector<layerstore::Change> changes;
    std::vector<layerstore::LinkGroup> links;
    std::shared_ptr<layerstore::MemoryContents> contents = std::make_shared<layerstore::MemoryContents>();

    LayerDraft& directory(std::string_view path, std::uint16_t mode = 0755);
    LayerDraft& file(std::string_view path, std::string bytes, std::uint16_t mode = 0644);
    LayerDraft& link(std::string_view path, std::string target);
    LayerDraft& remove(std::string_view path);
    LayerDraft& opaque(std::string_view path);
    LayerDraft& same(std::vector<std::string> paths);  ///< files put before, which become one
    /// The entry put last, to change it.
    layerstore::Entry& last() { return changes.back().entry; }
};

struct Ran {
    ExitStatus status;
    std::string output;
    std::unique_ptr<RunResult> result;
};

/// The canonical tar of a delta whose bytes `draft` has.
std::string tar_of(const layerstore::TreeDelta& delta, const LayerDraft& draft);
/// A delta as text, one change a line and in path order: "put /f file 644 0:0 size=3", "remove /x",
/// "empty /d directory …", "same /a /b".
std::string describe(const layerstore::TreeDelta& delta);

/// The rung that the tests run on, chosen once by IMGBUILD_TEST_ROOT_MODE or the best that works.
const Rung& test_rung();
/// True if the tests run as root of the initial user namespace, who can mount.
bool is_real_root();
/// True on the rung where owners and ids are answered for: what the kernel itself says of them is not checked.
bool has_one_id();
/// False on the rung where nothing can be mounted and no namespace is made: what only those can give is not checked.
bool has_mounts();

/// A file system of 48 MiB; the ordinary user's is mounted by who became him (as_user.py).
class SmallDisk {
  public:
    SmallDisk();
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk();
    const std::string& path() const { return path_; }

  private:
    std::optional<TemporaryDirectory> place_;
    std::string path_;
};

class Scene {
  public:
    /// A store with the busybox image in it.
    explicit Scene(const Rung& rung = test_rung());
    /// The same in `folder`, which must exist.
    Scene(const Rung& rung, const std::string& folder);

    Sandbox& sandbox() { return *sandbox_; }
    const std::string& store() const { return store_path_; }
    const std::vector<DeltaId>& layers() const { return layers_; }
    const layerstore::Tree& tree() const { return tree_; }

    /// Another sandbox over the same store, with a helper of its own.
    std::unique_ptr<Sandbox> another() const { return make_sandbox(rung_, store_path_); }
    /// Puts a delta on top of the image, as a builder would.
    DeltaId add_layer(const LayerDraft& draft);
    DeltaId materialise(const layerstore::TreeDelta& delta, const LayerDraft& draft);

    RunSpec spec(std::vector<std::string> arguments) const;
    RunSpec shell(const std::string& script) const { return spec({"/bin/sh", "-c", script}); }
    Ran run(const RunSpec& spec);
    Ran run(const std::string& script) { return run(shell(script)); }
    /// Runs, keeps what changed as one more layer, and says what that was.
    layerstore::TreeDelta run_and_keep(const RunSpec& spec);

  private:
    std::optional<TemporaryDirectory> place_;
    std::string store_path_;
    Rung rung_;
    std::unique_ptr<Sandbox> sandbox_;
    std::vector<DeltaId> layers_;
    layerstore::Tree tree_;
};

}  // namespace imgbuild::builder
