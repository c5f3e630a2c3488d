// SPDX-License-Identifier: Apache-2.0
// The value of RUN --mount, with an environment for its variables.
#include "parser/instruction/mount.h"
#include "tests/fuzz/fuzz_target.h"

#include <string>

using namespace imgbuild;
using namespace imgbuild::parser;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Word value{.text = std::string(fuzz::text_of(data, size)), .span = {4, 4 + 8 + size}};
    Diagnostics diagnostics;
    const MountFlag flag = parse_mount_flag(value, diagnostics);
    const bool is_constant = !has_variables(value);
    const auto check_place = [&](Span span) {
        fuzz::require(span.begin >= 4 && span.begin <= span.end && span.end <= value.span.end,
                      "an error stands inside the flag");
    };
    for (const Diagnostic& diagnostic : diagnostics) check_place(diagnostic.span);

    const Environment environment{{"T", "cache"}, {"P", "/a/b"}, {"N", "7"}, {"E", ""}};
    const MountResult result = resolve_mount(flag, environment);
    if (!result.ok()) check_place(result.error->span);
    if (is_constant && diagnostics.empty()) fuzz::require(result.ok(), "a constant is judged early");
    if (result.ok() && !result.mount.target.empty() && diagnostics.empty())
        fuzz::require(result.mount.target.find_first_not_of('/') != std::string::npos, "no mount covers the root");
    return 0;
}
