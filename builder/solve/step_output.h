// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a command prints, on its way to three places: whoever watches the build, a log on disk that stays if the
// command fails, and the last lines for the error.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/fd.h"

namespace imgbuild::builder {

class StepOutput {
  public:
    /// `logs` is borrowed. `watch` is called from a thread of this object, until finish().
    StepOutput(const Directory& logs, std::function<void(std::string_view)> watch);
    StepOutput(const StepOutput&) = delete;
    StepOutput& operator=(const StepOutput&) = delete;
    ~StepOutput();

    /// Where the command writes.
    const Fd& end() const noexcept { return pipe_.write_end; }
    /// Waits until everything that was written is through; nobody else holds the end by then.
    void finish();

    /// After finish(). The last lines, safe to print, each ended by a newline.
    std::string last_lines() const;
    /// After finish(). Keeps the log and says its path; empty where the disk did not take it.
    std::optional<std::string> keep_log();

  private:
    void carry();
    void write_log(std::span<const std::byte> bytes) noexcept;

    const Directory& logs_;
    std::function<void(std::string_view)> watch_;
    std::string log_name_;
    std::optional<AtomicFile> log_;
    std::string tail_;
    Pipe pipe_;
    std::thread thread_;
};

}  // namespace imgbuild::builder
