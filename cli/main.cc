// SPDX-License-Identifier: Apache-2.0

// The program. Whatever ends it comes through here, as an Error or as a status.

#include <algorithm>
#include <new>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/text.h"
#include "builder/fetch/fetch_listener.h"
#include "builder/sandbox/sandbox.h"
#include "cli/commands/commands.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace {

int run(const std::vector<std::string>& arguments) {
    using namespace imgbuild;
    const bool debug = std::ranges::find(arguments, "--debug") != arguments.end();
    const auto report = [&](const Error& error) {
        cli::tell(cli::describe(error, debug));
        return cli::status_of(error);
    };
    const builder::FetchListener listener(
        [](const std::string& note) { cli::tell("imgbuild: " + printable(note) + "\n"); });
    try {
        install_cancel_handlers();
        return cli::run_command_line(arguments);
    } catch (const Error& error) {
        return report(error);
    } catch (const std::bad_alloc&) {
        return report(Error(ErrorKind::internal, "out of memory"));
    } catch (const std::exception& error) {
        return report(Error(ErrorKind::internal, error.what(), "this is a mistake in imgbuild; please report it"));
    }
}

}  // namespace

int main(int argument_count, char** arguments) {
    imgbuild::cli::occupy_closed_streams();
    imgbuild::builder::serve_if_helper(argument_count, arguments);
    return run({arguments + std::min(argument_count, 1), arguments + argument_count});
}
