// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one thing in imgbuild that needs the kernel: it materialises deltas as directories, runs a command on a
// stack of them, and tells what the command changed. Everything it does happens in a helper process of its
// own (design: docs/architecture.md, "The sandbox"); this interface is what the solver sees, and what tests
// replace by a fake.
//
// Thread-safe: any number of calls at once.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/stream.h"
#include "builder/sandbox/probe.h"
#include "builder/sandbox/run_end.h"
#include "builder/sandbox/run_spec.h"
#include "layerstore/tree/algebra.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {

/// The other side of a command that somebody talks to.
struct Attachment {
    /// Without RunSpec::terminal: ends of pipes that become the command's, given away when it starts.
    Fd input, output, error;
    /// With it: gets the other end of the terminal once the command is about to start, on the calling thread, and
    /// returns at once.
    std::function<void(Fd)> when_terminal;
};

/// What a finished command left; holds its upper directory until keep() or destruction, which discards it.
class RunResult {
  public:
    RunResult() = default;
    RunResult(const RunResult&) = delete;
    RunResult& operator=(const RunResult&) = delete;
    virtual ~RunResult() = default;

    const RunEnd& end() const noexcept { return end_; }
    const ExitStatus& status() const noexcept { return end_.status; }
    /// What the upper directory holds, not normalised, contents hashed, times as the command left them. Empty
    /// unless the command succeeded.
    const layerstore::TreeDelta& changes() const noexcept { return changes_; }

    /// Keeps the upper directory as the materialised `id`. `delta` is what is left of changes() after normalise()
    /// and layerstore::complete_for(), and `id` is its own: what it does not name goes from the directory, and
    /// every entry that it puts gets the time that stands there. Call at most once.
    virtual void keep(const layerstore::TreeDelta& delta, const DeltaId& id) = 0;

    /// Of a command that failed: runs another one in the state that it left, as Sandbox::run_attached().
    virtual RunEnd run_attached(const RunSpec& spec, const Attachment& attachment) = 0;

  protected:
    RunEnd end_;
    layerstore::TreeDelta changes_;
};

class Sandbox {
  public:
    virtual ~Sandbox() = default;

    /// Which way owners, whiteouts and xattrs lie on disk: the folder below deltas/ of the store.
    virtual const std::string& spelling() const = 0;

    /// True if `delta` stands materialised and whole. Cheap: does not start the helper.
    virtual bool has(const DeltaId& delta) = 0;
    /// Materialises `delta` from its canonical tar (layerstore/layer/layer_codec), which is read to its end. The
    /// delta must be complete for what it will lie on: layerstore::complete_for() says why, and its result's id
    /// is the one to use here and in RunSpec.
    /// Two callers at once, in one process or two: one does it, the other waits.
    virtual void materialise(const DeltaId& delta, ByteReader& canonical_tar) = 0;

    /// Runs a command to its end. Standard output and error go to `log` (a pipe's write end or a file). A
    /// command that fails is a result, not an Error; a sandbox that cannot be built is an Error. A cancel
    /// request kills the command and gives Error{interrupted}.
    virtual std::unique_ptr<RunResult> run(const RunSpec& spec, const Fd& log) = 0;

    /// Runs a command that somebody talks to. What it changes is thrown away.
    virtual RunEnd run_attached(const RunSpec& spec, const Attachment& attachment) = 0;

    /// Opens regular files of a materialised delta for reading, in order; an entry that is not there is an
    /// empty Fd. Any number of paths.
    virtual std::vector<Fd> open_files(const DeltaId& delta, std::span<const ImagePath> paths) = 0;

    /// Of `deltas`, which stand here, those whose files were changed since they were published, as far as stat tells:
    /// a look at each file, none is read (docs/decisions/0010-damaged-deltas.md).
    virtual std::vector<DeltaId> changed(std::span<const DeltaId> deltas) = 0;
    /// Reads all files of a materialised delta and says, one line for each, what is not as in `record`, its own.
    virtual std::vector<std::string> check(const DeltaId& delta, const layerstore::TreeDelta& record) = 0;

    /// Takes a materialised delta, or a cache mount's directory, away. Commands that run on it keep it.
    virtual void remove(const DeltaId& delta) = 0;
    virtual void remove_cache_mount(const std::string& id) = 0;
};

/// The sandbox of `rung` over the store at `store_path` (its deltas/, mounts/ and pending/). The helper starts
/// at the first call that needs it and ends with the object.
std::unique_ptr<Sandbox> make_sandbox(const Rung& rung, const std::string& store_path);

/// Call first in main(): when this process was started as the helper, serves until its parent is gone and
/// does not return.
void serve_if_helper(int argument_count, char** arguments);

}  // namespace imgbuild::builder
