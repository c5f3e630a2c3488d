// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/leftovers.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/fd.h"

using namespace imgbuild;
using namespace imgbuild::builder;

TEST_CASE("the parent stands behind a name that may hold anything") {
    CHECK(parent_in_stat("17 (sh) S 4 17 17 0") == 4);
    CHECK(parent_in_stat("17 (a) S 9 (b) R 5 1") == 5);
    CHECK(parent_in_stat("17 (no end") == 0);
    CHECK(parent_in_stat("") == 0);
}

TEST_CASE("descendants are found over any number of generations, and nobody else") {
    const std::map<pid_t, pid_t> parents{{2, 1}, {3, 2}, {9, 3}, {4, 9}, {5, 1}, {6, 5}, {1, 0}};
    CHECK(descendants_of(2, parents) == std::set<pid_t>{3, 4, 9});
    CHECK(descendants_of(6, parents).empty());
}

TEST_CASE("what forked itself away from its parent is killed, too") {
    Pipe pipe = make_pipe();
    const pid_t tester = ::fork();
    if (tester == 0) {
        adopt_orphans();
        if (::fork() == 0) {
            ::setsid();
            ::signal(SIGTERM, SIG_IGN);
            if (::fork() != 0) ::_exit(0);
            ::setsid();
            for (;;)
                if (::fork() == 0)
                    ::pause();
                else
                    ::usleep(300);
        }
        ::usleep(20'000);
        kill_descendants(Directory::open_host("/proc"));
        ::_exit(::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD ? 0 : 1);
    }
    int status = 1;
    REQUIRE(::waitpid(tester, &status, 0) == tester);
    CHECK(status == 0);
    // All of them held the pipe open.
    pipe.write_end.reset();
    char byte = 0;
    CHECK(::read(pipe.read_end.get(), &byte, 1) == 0);
}
