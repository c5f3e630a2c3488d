// SPDX-License-Identifier: Apache-2.0
#pragma once

// The commands, and what each is called. A command gets what stands behind its word, prints its result, and gives
// the exit status; it throws Error.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/common/option_set.h"

namespace imgbuild::cli {

int run_advise(Arguments arguments);
int run_attach(Arguments arguments);
int run_build(Arguments arguments);
int run_builds(Arguments arguments);
int run_context(Arguments arguments);
int run_debug(Arguments arguments);
int run_diff(Arguments arguments);
int run_doctor(Arguments arguments);
int run_du(Arguments arguments);
int run_explain(Arguments arguments);
int run_export(Arguments arguments);
int run_fsck(Arguments arguments);
int run_history(Arguments arguments);
int run_images(Arguments arguments);
int run_import(Arguments arguments);
int run_inspect(Arguments arguments);
int run_load(Arguments arguments);
int run_login(Arguments arguments);
int run_logout(Arguments arguments);
int run_manifest(Arguments arguments);
int run_parse(Arguments arguments);
int run_plan(Arguments arguments);
int run_prune(Arguments arguments);
int run_pull(Arguments arguments);
int run_push(Arguments arguments);
int run_referrers(Arguments arguments);
int run_rm(Arguments arguments);
int run_save(Arguments arguments);
int run_tag(Arguments arguments);
int run_verify(Arguments arguments);

struct Command {
    std::string_view name;
    std::string_view alias;  ///< may be empty
    std::string_view summary;
    int (*run)(Arguments);
};

std::span<const Command> commands() noexcept;
/// The command called `word`; null where there is none.
const Command* find_command(std::string_view word) noexcept;

/// A whole command line behind the program's name: options of the program, a command word or not, and its arguments.
/// Prints what --version, --help and `help` ask for. Error{usage} for an unknown command, with a suggestion.
int run_command_line(Arguments arguments);

}  // namespace imgbuild::cli
