// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/commands/comparison_page.h"
#include "cli/commands/delivery.h"
#include "cli/commands/diff_operand.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

std::string page_of(const ComparedPair& pair) {
    const bool is_good = pair.comparison.is_equal;
    return comparison_page({.title = printable(pair.before.name) + " and " + printable(pair.after.name),
                            .verdict = is_good ? "equal" : "not equal",
                            .is_good = is_good,
                            .facts = {}},
                           {pair});
}

}  // namespace

int run_diff(Arguments arguments) {
    OptionSet options(
        "diff [flags] BEFORE AFTER",
        "Says what tells two images apart: files and of which kind each difference is, config and layers. "
        "Each is a name in the store or else at its registry; docker://NAME, at its registry; a path "
        "(/… or ./…) of a layout, an archive or a layer; oci-layout://PATH[:TAG]; or the digest of a layer "
        "in the store. Layers that both have are not read");
    CommonOptions common;
    std::optional<std::string> before_name, after_name, platform, format, html;
    bool with_times = false, offline = false;
    options.positional("BEFORE", before_name);
    options.positional("AFTER", after_name);
    options.value("--format", format, "FORMAT", "text (the default), json or html");
    options.value("--html", html, "FILE", "write the report there as well, as one page");
    options.flag("--times", with_times, "times of files count as well");
    options.flag("--offline", offline, "ask no registry");
    add_platform(options, platform);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    check_report_format(format);

    const std::unique_ptr<layerstore::Store> store = open_store(common);
    DiffOperands operands(*store, platform, offline);
    const ImageSide before = operands.find(*before_name);
    const ImageSide after = operands.find(*after_name);
    builder::ComparisonOptions comparing;
    comparing.with_times = with_times;
    const ImageComparison comparison = compare_images(before, after, Pairing::content, store->pending(), comparing);
    const ComparedPair pair{before, after, comparison};
    if (html) write_host_file(*html, page_of(pair));
    if (format == "json")
        print(write_json_indented(comparison_json(pair)) + "\n");
    else
        print(format == "html" ? page_of(pair) : diff_text(pair));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
