// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/shell.h"

#include "base/error.h"
#include "builder/resolve/image_finder.h"
#include "cli/commands/image_tree.h"
#include "cli/common/environment.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "cli/common/terminal_session.h"

namespace imgbuild::cli {

std::shared_ptr<const builder::ResolvedImage> shell_tools(layerstore::Store& store) {
    return image_of_store(store, "the tools of a shell", builder::default_base(store));
}

void require_terminal(const std::string& what, const std::string& hint) {
    if (TerminalSession::is_possible()) return;
    throw Error(ErrorKind::usage, what + ": a shell needs a terminal, and standard input or output is none", hint);
}

int talk_to(const RunOwnCommand& run, std::vector<std::string> arguments) {
    TerminalSession session;
    builder::OwnCommand command{.arguments = std::move(arguments), .terminal = session.size(), .terminal_type = {}};
    if (command.terminal) command.terminal_type = process_environment("TERM").value_or("");
    builder::RunEnd end;
    {
        const builder::Attachment attachment = session.attach();
        end = run(command, attachment);
    }
    session.finish();
    if (end.cause == builder::EndCause::out_of_memory)
        tell("imgbuild: the kernel killed a process of the command for want of memory\n");
    return end.status.code;
}

void open_shell_after(builder::FailedState& state, const Error& error) {
    tell(describe(error, false));
    tell("a shell in the state that it left, of which nothing is kept; exit ends it:\n");
    try {
        talk_to([&](const auto& command, const auto& attachment) { return state.run(command, attachment); }, {});
    } catch (const Error& no_shell) {
        if (no_shell.kind() == ErrorKind::interrupted) throw;
        tell(describe(no_shell, false));  // what ends the build is the step's own failure
    }
}

}  // namespace imgbuild::cli
