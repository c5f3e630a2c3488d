// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a person, or a program, sees of a running build: renderers of its events. None throws: that nobody reads is no
// reason to stop building.

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "builder/solve/build_events.h"

namespace imgbuild::cli {

enum class ProgressMode {
    automatic,  ///< tty where there is a terminal, else plain
    tty,
    plain,
    rawjson,
    quiet,
};

/// "auto", "tty", "plain", "rawjson", "quiet"; also "none", which is quiet.
std::optional<ProgressMode> progress_mode_from_name(std::string_view name) noexcept;

class Progress : public builder::BuildObserver {
  public:
    void explained(builder::NodeId, const std::vector<std::string>&) override {}
    /// After the last event; what is on a terminal stays there. Also safe to call twice.
    virtual void finish() {}
};

/// The renderer for `mode` on the descriptor `out`, borrowed and normally standard error; tty without a terminal is plain.
/// `write`, which must not throw, brings text there.
/// With `explains` plain and tty say why each step is done.
std::unique_ptr<Progress> make_progress(ProgressMode mode, int out, std::function<void(std::string_view)> write,
                                        bool explains = false);

}  // namespace imgbuild::cli
