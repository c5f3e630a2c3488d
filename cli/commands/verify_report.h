// SPDX-License-Identifier: Apache-2.0
#pragma once

// What `imgbuild verify` found, for people and for programs.

#include <algorithm>
#include <string>
#include <vector>

#include "builder/compare/file_comparison.h"
#include "cli/commands/comparison_report.h"

namespace imgbuild::cli {

/// One image in its two versions.
struct VerifiedImage {
    ImageSide before, after;
    ImageComparison comparison;
};

struct VerifyReport {
    std::string subject;  ///< the image, or the context that was built twice
    bool is_twice = false;
    std::vector<std::string> notes = {};  ///< what is missing or has changed since
    struct Varied {
        std::string what, before, after;
    };
    std::vector<Varied> varied = {};
    std::vector<std::string> not_varied = {};
    builder::Surroundings surroundings = {};
    std::vector<VerifiedImage> images = {};

    bool is_equal() const {
        return std::ranges::all_of(images, [](const VerifiedImage& image) { return image.comparison.is_equal; });
    }
};

std::string verify_text(const VerifyReport& report);
std::string verify_json(const VerifyReport& report);
/// One self-contained page of HTML.
std::string verify_page(const VerifyReport& report);

}  // namespace imgbuild::cli
