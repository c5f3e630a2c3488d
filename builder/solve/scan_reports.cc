// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/scan_reports.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/plan/scan_step.h"

namespace imgbuild::builder {

std::vector<ScanReport> read_scan_reports(const NodeResult& scan, FileContents& contents) {
    const std::string what = printable(scan.node->label);
    const ImagePath folder = ImagePath::clean(scan_destination);
    std::vector<ScanReport> reports;
    if (const auto left = scan.tree.directory(folder)) {
        const auto sources = contents.of_tree(scan);
        for (const layerstore::Child& child : left->children()) {
            if (!child.entry.is_file() || !child.name.ends_with(".spdx.json")) continue;
            if (child.entry.size > json_max_bytes)
                throw Error(ErrorKind::invalid_input, fmt::format("{}: {}: larger than {}", what, printable(child.name),
                                                                  human_size(json_max_bytes)));
            const std::string path = folder.child(child.name).absolute();
            const auto reader = sources->require(child.entry.content, child.entry.size, path);
            reports.push_back({child.name, read_all(*reader, json_max_bytes, path)});
        }
    }
    if (reports.empty())
        throw Error(ErrorKind::invalid_input, fmt::format("{}: it left no report", what),
                    fmt::format("a scanner writes NAME.spdx.json to {}", scan_destination));
    return reports;
}

}  // namespace imgbuild::builder
