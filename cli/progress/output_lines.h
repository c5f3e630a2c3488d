// SPDX-License-Identifier: Apache-2.0
#pragma once

// What commands print, made fit for a terminal of ours: cut into lines, colours taken out, nothing that moves a cursor.

#include <functional>
#include <string>
#include <string_view>

namespace imgbuild::cli {

/// One line without its end: colours and other escape sequences are left out, tabs stay, every other control
/// character becomes visible.
std::string safe_line(std::string_view line);

/// Collects bytes until a line is whole. A carriage return ends a line as well: progress bars redraw by it.
class LineCollector {
  public:
    static constexpr std::size_t max_line = 16 * 1024;  ///< bytes; a longer one is cut into several

    using Take = std::function<void(std::string_view line)>;
    /// Calls `take` for each line that `bytes` completes; empty ones that a carriage return makes are left out.
    void feed(std::string_view bytes, const Take& take);
    /// What is left without an end.
    void finish(const Take& take);

  private:
    void end_line(bool by_return, const Take& take);

    std::string line_;
    bool after_return_ = false;
};

}  // namespace imgbuild::cli
