// SPDX-License-Identifier: Apache-2.0
// An ignore file up to a NUL, then paths, one a line: the walker and the single question agree, and no exception
// below a directory is lost.
#include "parser/ignore/ignore_rules.h"
#include "tests/fuzz/fuzz_target.h"

#include <string>

using namespace imgbuild;
using namespace imgbuild::parser;

namespace {

/// True for a path as a walker gives it: components that are neither empty, "." nor "..".
bool is_walkable(std::string_view path) {
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view part = path.substr(0, slash);
        if (part.empty() || part == "." || part == ".." || slash == path.size() - 1) return false;
        path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    }
    return true;
}

void check_path(const IgnoreRules& rules, std::string_view path) {
    const IgnoreVerdict single = rules.match(path);
    IgnoreState state;
    bool may_be_wanted = true;  // by what the directories above say
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
        IgnoreState next;
        const std::string_view directory = path.substr(0, slash);
        const bool ignored = rules.match(directory, state, &next).ignored;
        may_be_wanted = may_be_wanted && (!ignored || rules.may_reinclude_below(directory));
        state = std::move(next);
    }
    fuzz::require(rules.match(path, state) == single, "a walker gets the verdict of the single question");
    fuzz::require(single.ignored || may_be_wanted, "no directory with a wanted path is passed over");
    fuzz::require(single.line <= rules.rules().size() || single.ignored || rules.has_exceptions(),
                  "a verdict names its rule");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest = fuzz::text_of(data, size);
    const Source source(".dockerignore", std::string(fuzz::take_until(rest, '\0')));
    Diagnostics diagnostics;
    const IgnoreRules rules = IgnoreRules::parse(source, diagnostics);
    for (const Diagnostic& diagnostic : diagnostics)
        fuzz::require(diagnostic.span.end <= source.text().size(), "a span lies in its file");
    while (!rest.empty()) {
        const std::string_view path = fuzz::take_until(rest, '\n');
        if (!path.empty() && is_walkable(path)) check_path(rules, path);
    }
    return 0;
}
