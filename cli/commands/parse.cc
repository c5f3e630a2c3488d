// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "cli/commands/build_input.h"
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "parser/buildfile/buildfile.h"
#include "parser/buildfile/to_json.h"

namespace imgbuild::cli {

int run_parse(Arguments arguments) {
    OptionSet options("parse FILE", "Prints a Buildfile (- is standard input) as it was understood, as JSON");
    std::optional<std::string> file;
    CommonOptions common;
    options.positional("FILE", file);
    add_common(options, common, CommonScope::nothing);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const parser::Source source = read_source(*file);
    const parser::ParseResult result = parser::parse_buildfile(source);
    print(write_json_indented(parser::to_json(result, source)) + "\n");
    if (result.ok()) return exit_status::ok;
    tell(result.diagnostics.render(source));
    return exit_status::usage;
}

}  // namespace imgbuild::cli
