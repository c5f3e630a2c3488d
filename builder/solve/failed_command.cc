// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/failed_command.h"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace imgbuild::builder {
namespace {

std::string describe_status(const ExitStatus& status) {
    if (status.signal == 0) return fmt::format("exit status {}", status.code);
    const char* name = ::sigabbrev_np(status.signal);
    return name ? fmt::format("killed by signal {} (SIG{})", status.signal, name)
                : fmt::format("killed by signal {}", status.signal);
}

}  // namespace

FailedState::FailedState(RunSpec spec, std::vector<std::unique_ptr<SocketRelay>> relays,
                         std::unique_ptr<RunResult> result, FindTools find_tools)
    : spec_(std::move(spec)),
      relays_(std::move(relays)),
      result_(std::move(result)),
      find_tools_(std::move(find_tools)) {}

RunEnd FailedState::run(const OwnCommand& command, const Attachment& attachment) {
    return result_->run_attached(as_own_command(spec_, command, find_tools_), attachment);
}

std::string describe_end(const RunEnd& end, const RunSpec& spec) {
    switch (end.cause) {
        case EndCause::itself: return describe_status(end.status);
        case EndCause::timed_out:
            return fmt::format("timed out: killed after {}",
                               human_duration(std::chrono::milliseconds(spec.timeout_milliseconds)));
        case EndCause::out_of_memory: {
            std::string limit;
            if (spec.budget.memory != 0) limit = fmt::format(" (the limit is {})", human_size(spec.budget.memory));
            if (end.status.code == 128 + SIGKILL) return "out of memory: killed by the kernel" + limit;
            return fmt::format("out of memory: the kernel killed a process of it{}, {}", limit,
                               describe_status(end.status));
        }
    }
    return {};
}

}  // namespace imgbuild::builder
