// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/commands/delta_sandbox.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

std::string_view outcome(const layerstore::Finding& finding) {
    if (finding.repaired) return " (repaired)";
    return finding.harmless ? " (harmless)" : "";
}

}  // namespace

int run_fsck(Arguments arguments) {
    OptionSet options("fsck [--repair]", "Checks everything in the store: blobs, documents, records and references");
    CommonOptions common;
    bool repair = false;
    add_common(options, common);
    options.flag("--repair", repair, "takes out what is damaged, so that builds make it again");
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    DeltaSandbox sandbox(*store, wanted_root_mode(common));
    layerstore::DeltaAccess deltas;
    // A store that we may only read is one whose deltas we can neither lock nor enter.
    if (store->is_writable()) {
        deltas.look = [&](const auto&... what) { return sandbox.look(what...); };
        deltas.remove = [&](const auto&... what) { return sandbox.remove(what...); };
    }
    const std::vector<layerstore::Finding> findings = store->fsck(repair, deltas);
    for (const layerstore::Finding& finding : findings)
        print(fmt::format("{}: {}{}\n", printable(finding.object), printable(finding.what), outcome(finding)));
    const auto bad = std::ranges::count_if(
        findings, [](const layerstore::Finding& finding) { return !finding.harmless && !finding.repaired; });
    if (bad == 0) return exit_status::ok;
    throw Error(ErrorKind::corrupt,
                fmt::format("{}: {}", store->path(), counted(static_cast<std::uint64_t>(bad), "fault", "faults")),
                repair ? "what is left needs a look by hand" : "`imgbuild fsck --repair` takes out what is damaged");
}

}  // namespace imgbuild::cli
