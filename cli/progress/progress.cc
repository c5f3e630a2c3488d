// SPDX-License-Identifier: Apache-2.0
#include "cli/progress/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <utility>

#include "cli/progress/plain.h"
#include "cli/progress/rawjson.h"
#include "cli/progress/tty.h"

namespace imgbuild::cli {
namespace {

class QuietProgress final : public Progress {
  public:
    void plan_known(const builder::BuildPlan&) override {}
    void started(builder::NodeId) override {}
    void output(builder::NodeId, std::string_view) override {}
    void cached(builder::NodeId) override {}
    void finished(builder::NodeId, std::chrono::nanoseconds, std::string_view) override {}
    void failed(builder::NodeId, const builder::StepFailure&) override {}
    void layers_failed(builder::NodeId) override {}
    void warning(std::string_view) override {}
};

std::chrono::nanoseconds now() { return std::chrono::steady_clock::now().time_since_epoch(); }

TtyProgress::Size terminal_size(int out) {
    winsize size{};
    if (::ioctl(out, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
    return {size.ws_col, size.ws_row};
}

}  // namespace

std::optional<ProgressMode> progress_mode_from_name(std::string_view name) noexcept {
    if (name == "auto") return ProgressMode::automatic;
    if (name == "tty") return ProgressMode::tty;
    if (name == "plain") return ProgressMode::plain;
    if (name == "rawjson") return ProgressMode::rawjson;
    if (name == "quiet" || name == "none") return ProgressMode::quiet;
    return std::nullopt;
}

std::unique_ptr<Progress> make_progress(ProgressMode mode, int out, std::function<void(std::string_view)> write,
                                        bool explains) {
    const bool is_terminal = ::isatty(out) == 1;
    switch (mode) {
        case ProgressMode::automatic:
        case ProgressMode::tty:
            if (is_terminal)
                return std::make_unique<TtyProgress>(
                    TtyProgress::Screen{std::move(write), now, [out] { return terminal_size(out); }}, true, explains);
            return std::make_unique<PlainProgress>(std::move(write), now, explains);
        case ProgressMode::plain: return std::make_unique<PlainProgress>(std::move(write), now, explains);
        case ProgressMode::rawjson: return std::make_unique<RawJsonProgress>(std::move(write), now);
        case ProgressMode::quiet: return std::make_unique<QuietProgress>();
    }
    return std::make_unique<QuietProgress>();
}

}  // namespace imgbuild::cli
