// SPDX-License-Identifier: Apache-2.0
#pragma once

// Columns for people: each as wide as its widest cell, two blanks between, the last one ragged.

#include <string>
#include <vector>

namespace imgbuild::cli {

class Table {
  public:
    explicit Table(std::vector<std::string> titles) { rows_.push_back(std::move(titles)); }
    /// As many cells as there are titles; foreign text is made safe.
    void add(std::vector<std::string> cells);
    /// All rows, each ended by "\n".
    std::string text() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace imgbuild::cli
