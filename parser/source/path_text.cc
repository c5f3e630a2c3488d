// SPDX-License-Identifier: Apache-2.0
#include "parser/source/path_text.h"

#include <vector>

#include "base/text.h"

namespace imgbuild::parser {

std::string clean_path(std::string_view path) {
    std::vector<std::string_view> kept;
    const bool absolute = path.starts_with('/');
    for (const std::string_view part : split(path, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..") {
            kept.push_back(part);
        } else if (!kept.empty() && kept.back() != "..") {
            kept.pop_back();
        } else if (!absolute) {
            kept.push_back(part);
        }
    }
    std::string out(absolute ? "/" : "");
    for (std::size_t i = 0; i < kept.size(); ++i) out.append(i > 0 ? "/" : "").append(kept[i]);
    return out;
}

}  // namespace imgbuild::parser
