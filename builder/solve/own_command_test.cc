// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/own_command.h"

#include <doctest/doctest.h>

#include <csignal>

#include "builder/solve/failed_command.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

RunSpec failed_spec() {
    RunSpec spec;
    spec.arguments = {"/bin/sh", "-c", "make"};
    spec.environment = {"PATH=/bin", "TERM=dumb", "A=b"};
    spec.timeout_milliseconds = 5000;
    spec.budget.memory = 64 << 20;
    return spec;
}

std::vector<DeltaId> no_tools() { return {}; }

}  // namespace

TEST_CASE("a shell is the image's own, or the one of the tools, which stand last in the PATH") {
    const RunSpec shell =
        as_own_command(failed_spec(), {.terminal = TerminalSize{30, 90}, .terminal_type = "xterm"}, no_tools);
    CHECK(shell.arguments == std::vector<std::string>{"/bin/bash"});
    CHECK(shell.stand_ins == std::vector<std::string>{"/bin/sh", "/.imgbuild/bin/sh"});
    CHECK(shell.environment == std::vector<std::string>{"A=b", "PATH=/bin:/.imgbuild/bin", "TERM=xterm"});
    REQUIRE(shell.binds.size() == 1);
    CHECK(shell.binds[0].target.absolute() == "/.imgbuild");
    CHECK_FALSE(shell.binds[0].writable);
    CHECK(shell.terminal->columns == 90);
}

TEST_CASE("a command of the user's own has the limits of the step, but no end of time") {
    const RunSpec own = as_own_command(failed_spec(), {.arguments = {"ls", "-l"}}, no_tools);
    CHECK(own.arguments == std::vector<std::string>{"ls", "-l"});
    CHECK(own.stand_ins.empty());
    CHECK(own.timeout_milliseconds == 0);
    CHECK(own.budget.memory == 64 << 20);
    CHECK_FALSE(own.terminal);
}

TEST_CASE("exit status, signal, want of memory and the end of time are told apart") {
    const RunSpec spec = failed_spec();
    CHECK(describe_end({.status = {3, 0}}, spec) == "exit status 3");
    CHECK(describe_end({.status = {128 + SIGSEGV, SIGSEGV}}, spec) == "killed by signal 11 (SIGSEGV)");
    CHECK(describe_end({.status = {128 + SIGKILL, SIGKILL}, .cause = EndCause::timed_out}, spec) ==
          "timed out: killed after 5.0s");
    CHECK(describe_end({.status = {128 + SIGKILL, SIGKILL}, .cause = EndCause::out_of_memory}, spec) ==
          "out of memory: killed by the kernel (the limit is 64.0 MiB)");
    CHECK(describe_end({.status = {2, 0}, .cause = EndCause::out_of_memory}, RunSpec{}) ==
          "out of memory: the kernel killed a process of it, exit status 2");
}
