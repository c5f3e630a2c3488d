// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/text.h"
#include "cli/builds/order_hints.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {

int run_advise(Arguments arguments) {
    OptionSet options(
        "advise [CONTEXT]",
        "Says which steps were done again for nothing in the builds that the store remembers (of CONTEXT), "
        "and where they would better stand");
    CommonOptions common;
    std::optional<std::string> context;
    options.positional("CONTEXT", context, false);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const auto store = open_store(common);
    std::vector<BuildRecord> records = load_records(*store);
    if (context) {
        std::error_code error;
        const std::filesystem::path path = std::filesystem::canonical(*context, error);
        const std::string wanted = printable(error ? *context : path.string());
        std::erase_if(records, [&](const BuildRecord& record) { return record.context != wanted; });
    }
    std::string text;
    for (const OrderHint& hint : order_hints(records))
        text += fmt::format("{}: {}: {}\n", hint.context, hint.place, printable(hint.text));
    if (text.empty()) text = fmt::format("nothing to advise from {}\n", counted(records.size(), "build", "builds"));
    print(text);
    return exit_status::ok;
}

}  // namespace imgbuild::cli
