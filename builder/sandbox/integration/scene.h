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

/// A delta in the making, with the bytes of its files.
struct Draft {
    std::vector<layerstore::Change> changes;
    std::vector<layerstore::LinkGroup> links;
    std::shared_ptr<layerstore::MemoryContents> contents = std::make_shared<layerstore::MemoryContents>();

    Draft& directory(std::string_view path, std::uint16_t mode = 0755);
    Draft& file(std::string_view path, std::string bytes, std::uint16_t mode = 0644);
    Draft& link(std::string_view path, std::string target);
    Draft& remove(std::string_view path);
    Draft& opaque(std::string_view path);
};

struct Ran {
    ExitStatus status;
    std::string output;
    std::unique_ptr<RunResult> result;
};

/// The rung that the tests run on, chosen once by IMGBUILD_TEST_ROOT_MODE or the best that works.
const Rung& test_rung();

class Scene {
  public:
    /// A store with the busybox image in it.
    explicit Scene(Rung rung = test_rung());

    Sandbox& sandbox() { return *sandbox_; }
    const std::string& store() const { return store_path_; }
    const std::vector<DeltaId>& layers() const { return layers_; }
    const layerstore::Tree& tree() const { return tree_; }

    /// Puts a delta on top of the image, as a builder would.
    DeltaId add_layer(const Draft& draft);
    DeltaId materialise(const layerstore::TreeDelta& delta, const Draft& draft);

    RunSpec spec(std::vector<std::string> arguments) const;
    RunSpec shell(const std::string& script) const { return spec({"/bin/sh", "-c", script}); }
    Ran run(const RunSpec& spec);
    Ran run(const std::string& script) { return run(shell(script)); }
    /// Runs, keeps what changed as one more layer, and says what that was.
    layerstore::TreeDelta run_and_keep(const RunSpec& spec);

  private:
    TemporaryDirectory place_;
    std::string store_path_;
    std::unique_ptr<Sandbox> sandbox_;
    std::vector<DeltaId> layers_;
    layerstore::Tree tree_;
};

}  // namespace imgbuild::builder
