// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/delta_sandbox.h"

#include "base/error.h"
#include "base/temporary_directory.h"

namespace imgbuild::cli {

// Null where there is none.
builder::Sandbox* DeltaSandbox::sandbox_of(const std::string& spelling) {
    if (!sandbox_ && can_start_) {
        try {
            const TemporaryDirectory scratch = TemporaryDirectory::create_in(store_.pending());
            sandbox_ = builder::make_sandbox(builder::find_rung(scratch.path(), mode_), store_.path());
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::unsupported) throw;
            can_start_ = false;
        }
    }
    return sandbox_ && sandbox_->spelling() == spelling ? sandbox_.get() : nullptr;
}

std::optional<layerstore::DeltaLook> DeltaSandbox::look(const std::string& spelling, const DeltaId& delta,
                                                        const layerstore::TreeDelta& record) {
    builder::Sandbox* sandbox = sandbox_of(spelling);
    if (!sandbox || !sandbox->has(delta)) return std::nullopt;
    return layerstore::DeltaLook{!sandbox->changed({&delta, 1}).empty(), sandbox->check(delta, record)};
}

bool DeltaSandbox::remove(const std::string& spelling, const DeltaId& delta) {
    builder::Sandbox* sandbox = sandbox_of(spelling);
    if (!sandbox) return false;
    sandbox->remove(delta);
    return true;
}

}  // namespace imgbuild::cli
