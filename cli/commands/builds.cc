// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/text.h"
#include "cli/builds/build_record.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/table.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {

int run_builds(Arguments arguments) {
    OptionSet options("builds", "Lists the builds that the store remembers, the last one first");
    CommonOptions common;
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const auto store = open_store(common);
    Table table({"BUILD", "STARTED", "RESULT", "STEPS", "CACHED", "TIME", "CONTEXT"});
    for (const BuildRecord& record : load_records(*store)) {
        const std::string result = !record.succeeded       ? "failed"
                                   : record.result.empty() ? "done"
                                                           : record.result.substr(record.result.find(':') + 1, 12);
        table.add({record.id, rfc3339(record.started / 1000), result, std::to_string(record.count_steps()),
                   std::to_string(record.count_cached()), fmt::format("{:.1f}s", record.duration), record.context});
    }
    print(table.text());
    return exit_status::ok;
}

}  // namespace imgbuild::cli
