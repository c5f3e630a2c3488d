// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/commands/delta_sandbox.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/option_values.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

// --until=24h; "until=24h" is the one filter there is.
std::optional<std::int64_t> unused_seconds(const std::optional<std::string>& until,
                                           const std::vector<std::string>& filters) {
    std::optional<std::int64_t> seconds;
    if (until) seconds = parse_seconds(*until, "--until");
    for (const std::string& filter : filters) {
        const auto [key, value] = parse_pair(filter, "--filter");
        if (key != "until")
            throw Error(ErrorKind::usage, fmt::format("--filter: {}: no such filter", printable(key)),
                        "there is until=DURATION");
        seconds = parse_seconds(value, "--filter until");
    }
    return seconds;
}

}  // namespace

int run_prune(Arguments arguments) {
    OptionSet options("prune [flags]", "Removes what no image and no recent build needs, least recently used first");
    CommonOptions common;
    layerstore::PruneOptions wanted;
    std::optional<std::string> keep, keep_inodes, until;
    std::vector<std::string> filters;
    options.flag("-a,--all", wanted.all, "also what builds may use again");
    options.value("--keep-storage,--max-used-space", keep, "SIZE", "stop when the store is that small");
    options.value("--keep-inodes", keep_inodes, "COUNT", "stop when the store has that few files");
    options.value("--until", until, "DURATION", "only what was not used for that long (24h, 7d)");
    options.list("--filter", filters, "until=DURATION", "as --until, as other tools spell it");
    options.flag("--dry-run", wanted.dry_run, "only say what would go");
    bool force = false;
    options.flag("-f,--force", force, "accepted for other tools' sake: nothing asks");
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    if (keep) wanted.keep_bytes = parse_size(*keep, "--keep-storage");
    if (keep_inodes) {
        wanted.keep_inodes = parse_unsigned(*keep_inodes);
        if (!wanted.keep_inodes)
            throw Error(ErrorKind::usage, fmt::format("--keep-inodes: {}: not a number", printable(*keep_inodes)));
    }
    wanted.unused_seconds = unused_seconds(until, filters);

    const std::unique_ptr<layerstore::Store> store = open_store(common);
    DeltaSandbox deltas(*store, wanted_root_mode(common));
    const layerstore::PruneResult result = store->prune(
        wanted, [&](const std::string& spelling, const DeltaId& delta) { return deltas.remove(spelling, delta); });
    print(fmt::format("{}{} and {}: {} in {}\n", wanted.dry_run ? "would remove " : "removed ",
                      counted(result.blobs, "blob", "blobs"),
                      counted(result.deltas, "directory of files", "directories of files"), human_size(result.bytes),
                      counted(result.inodes, "file", "files")));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
