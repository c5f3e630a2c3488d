// SPDX-License-Identifier: Apache-2.0
#include <ranges>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/table.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {

int run_history(Arguments arguments) {
    const auto opened =
        open_image("history", "Lists the instructions that an image was made by, the last one first", arguments);
    if (!opened) return exit_status::ok;
    const auto image = opened->read();

    std::vector<std::vector<std::string>> rows;
    std::size_t layer = 0;
    for (const layerstore::HistoryEntry& entry : image.config.history) {
        // A history may name fewer layers than there are, or more: it is only what somebody wrote down.
        const bool has_layer = !entry.empty_layer && layer < image.manifest.layers.size();
        const std::string size = has_layer ? human_size(image.manifest.layers[layer].size) : "";
        if (has_layer) ++layer;
        rows.push_back({entry.created, size, entry.created_by});
    }
    Table table({"CREATED", "LAYER", "CREATED BY"});
    for (std::vector<std::string>& row : rows | std::views::reverse) table.add(std::move(row));
    print(table.text());
    return exit_status::ok;
}

}  // namespace imgbuild::cli
