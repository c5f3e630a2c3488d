// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/verify_report.h"

#include <fmt/format.h>

#include <set>

#include "base/text.h"
#include "cli/commands/comparison_page.h"

namespace imgbuild::cli {
namespace {

ComparedPair pair_of_images(const VerifiedImage& image) { return {image.before, image.after, image.comparison}; }

std::string verdict_of(const VerifyReport& report) {
    if (report.is_equal()) return report.is_twice ? "reproducible" : "reproduced";
    return report.is_twice ? "not reproducible" : "not reproduced";
}

// "3 files in 2 layers differ"
std::string count_text(const ImageComparison& comparison) {
    std::set<std::size_t> layers;
    for (const builder::FileDifference& file : comparison.files)
        if (const auto layer = layer_of(file)) layers.insert(*layer);
    std::string text = comparison.files.empty()
                           ? "no file differs"
                           : fmt::format("{} in {} {}", counted(comparison.files.size(), "file", "files"),
                                         counted(layers.size(), "layer", "layers"),
                                         comparison.files.size() == 1 ? "differs" : "differ");
    if (!comparison.config.empty())
        text += fmt::format("; {} of the documents", counted(comparison.config.size(), "member", "members"));
    return text;
}

std::string facts_text(const VerifyReport& report) {
    std::string text;
    for (const std::string& note : report.notes) text += fmt::format("note: {}\n", note);
    for (const VerifyReport::Varied& varied : report.varied)
        text += fmt::format("varied: {}: {} | {}\n", varied.what, varied.before, varied.after);
    for (const std::string& what : report.not_varied) text += fmt::format("not varied: {}\n", what);
    return text;
}

}  // namespace

std::string verify_text(const VerifyReport& report) {
    std::string text;
    for (const VerifiedImage& image : report.images) {
        const std::string platform =
            report.images.size() > 1 ? fmt::format(" ({})", printable(image.before.image.config.platform.text())) : "";
        if (image.comparison.is_equal) {
            text += fmt::format("{}{}: {}: {}\n", printable(report.subject), platform,
                                report.is_twice ? "reproducible" : "reproduced",
                                image.after.image.descriptor.digest.text());
            continue;
        }
        text += fmt::format("{}{}: {}: {}\n  {}\n  {}\n", printable(report.subject), platform,
                            report.is_twice ? "not reproducible" : "not reproduced", count_text(image.comparison),
                            image.before.image.descriptor.digest.text(), image.after.image.descriptor.digest.text());
        text += cause_text(pair_of_images(image));
    }
    return text + facts_text(report);
}

std::string verify_json(const VerifyReport& report) {
    Json varied = Json::array();
    for (const VerifyReport::Varied& one : report.varied)
        varied.push_back({{"what", one.what}, {"before", one.before}, {"after", one.after}});
    Json images = Json::array();
    for (const VerifiedImage& image : report.images) images.push_back(comparison_json(pair_of_images(image)));
    return write_json_indented({{"subject", printable(report.subject)},
                                {"equal", report.is_equal()},
                                {"notes", report.notes},
                                {"varied", std::move(varied)},
                                {"notVaried", report.not_varied},
                                {"images", std::move(images)}}) +
           "\n";
}

std::string verify_page(const VerifyReport& report) {
    PageHead head{
        .title = printable(report.subject), .verdict = verdict_of(report), .is_good = report.is_equal(), .facts = {}};
    for (const std::string& note : report.notes) head.facts.emplace_back("note", note);
    for (const VerifyReport::Varied& varied : report.varied)
        head.facts.emplace_back("varied", fmt::format("{}: {} | {}", varied.what, varied.before, varied.after));
    for (const std::string& what : report.not_varied) head.facts.emplace_back("not varied", what);
    std::vector<ComparedPair> pairs;
    for (const VerifiedImage& image : report.images) pairs.push_back(pair_of_images(image));
    return comparison_page(head, pairs);
}

}  // namespace imgbuild::cli
