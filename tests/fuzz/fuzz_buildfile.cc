// SPDX-License-Identifier: Apache-2.0
// A whole Buildfile: the tree prints back every byte, every diagnostic can be shown, the checks and the JSON take
// whatever was understood.
#include "base/json.h"
#include "parser/buildfile/buildfile.h"
#include "parser/buildfile/checks.h"
#include "parser/buildfile/to_json.h"
#include "tests/fuzz/fuzz_target.h"

#include <string>

using namespace imgbuild;
using namespace imgbuild::parser;

namespace {

void check_shown(const Diagnostics& diagnostics, const Source& source) {
    for (const Diagnostic& diagnostic : diagnostics) {
        fuzz::require(diagnostic.span.begin <= diagnostic.span.end, "a span does not run backwards");
        fuzz::require(diagnostic.span.end <= source.text().size(), "a span lies in its file");
    }
    for (const char c : diagnostics.render(source))
        fuzz::require(c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F), "what is shown is printable");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Source source("Buildfile", std::string(fuzz::text_of(data, size)));
    Diagnostics ignored;
    const SyntaxTree tree = parse_syntax(source, ignored);
    fuzz::require(print(tree, source) == source.text(), "the tree prints back every byte");

    const ParseResult result = parse_buildfile(source);
    check_shown(result.diagnostics, source);
    fuzz::require(!to_json(result, source).dump().empty(), "what was understood can be written as JSON");

    Diagnostics wrong_options;
    CheckOptions options;
    if (const auto& check = result.buildfile.directives.check)
        options = parse_check_options(check->value, check->span, wrong_options);
    check_shown(wrong_options, source);
    const Environment environment{{"PATH", "/bin"}};
    CheckContext context;
    context.base_environment = [&](const Stage&) { return &environment; };
    check_shown(check_buildfile(result.buildfile, options, context), source);

    const TriggerResult trigger = parse_trigger(source.text(), {0, source.text().size()});
    fuzz::require(trigger.instruction.has_value() != trigger.diagnostics.has_errors(), "a trigger is read or refused");
    check_shown(trigger.diagnostics, source);
    return 0;
}
