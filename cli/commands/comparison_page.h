// SPDX-License-Identifier: Apache-2.0
#pragma once

// Comparisons of images as one self-contained page of HTML: no script or font of others, readable without colour, by
// keyboard and by screen readers, light and dark. Every foreign string is escaped.

#include <string>
#include <utility>
#include <vector>

#include "cli/commands/comparison_report.h"

namespace imgbuild::cli {

struct PageHead {
    std::string title;    ///< what was compared
    std::string verdict;  ///< "not reproducible"
    bool is_good = false;
    std::vector<std::pair<std::string, std::string>> facts;  ///< "varied", "jobs: 2 | 1"
};

std::string comparison_page(const PageHead& head, const std::vector<ComparedPair>& pairs);

}  // namespace imgbuild::cli
