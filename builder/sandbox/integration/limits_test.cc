// SPDX-License-Identifier: Apache-2.0
// What the processes of a command may use, and how it ends where they use more.

#include <doctest/doctest.h>
#include <fcntl.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/text.h"
#include "builder/sandbox/cgroup.h"
#include "builder/sandbox/integration/scene.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

bool is_delegated(const ResourceBudget& budget) {
    const Cgroup tried(budget);
    if (!tried.not_enforced().empty()) MESSAGE("skipped: " << tried.not_enforced().front());
    return tried.not_enforced().empty();
}

// Groups that commands of this process and its helpers left.
std::size_t groups_here() {
    std::size_t count = 0;
    for (const CgroupHierarchy& hierarchy : own_cgroup_hierarchies())
        for (const std::string& name : Directory::open_host(hierarchy.own).list())
            if (name.starts_with("imgbuild-")) ++count;
    return count;
}

}  // namespace

TEST_CASE("a command that takes more memory than it may ends for want of it") {
    Scene scene;
    RunSpec spec = scene.shell("x=$(head -c 100m /dev/zero | tr '\\0' x); echo ${#x}");
    spec.budget.memory = 24 << 20;
    spec.budget.memory_and_swap = spec.budget.memory;
    if (!is_delegated(spec.budget)) return;
    const Ran ran = scene.run(spec);
    CHECK(ran.result->end().cause == EndCause::out_of_memory);
    CHECK_FALSE(ran.result->end().ok());
    CHECK(ran.result->end().not_enforced.empty());
    CHECK(groups_here() == 0);
}

TEST_CASE("what the kernel killed a part of does not count, whatever its status says") {
    Scene scene;
    RunSpec spec = scene.shell("(x=$(head -c 100m /dev/zero | tr '\\0' x)); exit 0");
    spec.budget.memory = 24 << 20;
    if (!is_delegated(spec.budget)) return;
    const RunEnd end = scene.run(spec).result->end();
    CHECK(end.cause == EndCause::out_of_memory);
    CHECK_FALSE(end.ok());
}

TEST_CASE("a command has as many processes as it may") {
    Scene scene;
    RunSpec spec = scene.shell("i=0; while [ $i -lt 20 ]; do sleep 1000 & i=$((i + 1)); done; echo all");
    spec.budget.processes = 8;
    if (!is_delegated(spec.budget)) return;
    const Ran ran = scene.run(spec);
    CHECK(ran.output.find("can't fork") != std::string::npos);
    CHECK(ran.output.find("all\n") == std::string::npos);
    CHECK(groups_here() == 0);
}

TEST_CASE("a command sees its own group as the root of all") {
    Scene scene;
    RunSpec spec = scene.shell("cat /proc/self/cgroup");
    spec.budget.processes = 100;
    if (!is_delegated(spec.budget) || !has_mounts()) return;
    const std::string groups = scene.run(spec).output;
    CHECK(groups.find("pids:/\n") != std::string::npos);
    CHECK(groups.find("imgbuild-") == std::string::npos);
}

TEST_CASE("a command that takes too long is killed with all that it started") {
    Scene scene;
    RunSpec spec = scene.shell("sleep 1000 & echo begun; sleep 1000");
    spec.timeout_milliseconds = 300;
    const Ran ran = scene.run(spec);
    CHECK(ran.output == "begun\n");
    CHECK(ran.result->end().cause == EndCause::timed_out);
    spec.timeout_milliseconds = 60'000;
    spec.arguments = {"/bin/true"};
    CHECK(scene.run(spec).result->end().ok());
}

TEST_CASE("a signal that somebody sends is no want of memory") {
    Scene scene;
    const RunEnd end = scene.run("kill -KILL $$").result->end();
    CHECK(end.status.signal == 9);
    CHECK(end.cause == EndCause::itself);
}

TEST_CASE("a parent of groups that cannot be used is an error") {
    Scene scene;
    RunSpec spec = scene.spec({"/bin/true"});
    spec.budget.processes = 100;
    spec.budget.parent = "/cgroup.procs/nothing";  // below a file
    if (own_cgroup_hierarchies().empty()) return;
    CHECK_THROWS_AS(scene.run(spec), Error);
}

TEST_CASE("a command can be talked to, in the state that a failed one left") {
    Scene scene;
    RunSpec spec = scene.shell("echo half > /made; exit 3");
    const Ran ran = scene.run(spec);
    REQUIRE(ran.status.code == 3);
    RunSpec own = scene.shell("cat /made - && echo more >> /made");
    for (const char* expected : {"half\nsaid\n", "half\nmore\nsaid\n"}) {
        Pipe input = make_pipe(), output = make_pipe(), error = make_pipe();
        Attachment attachment{std::move(input.read_end), std::move(output.write_end), std::move(error.write_end), {}};
        REQUIRE(::write(input.write_end.get(), "said\n", 5) == 5);
        input.write_end.reset();
        CHECK(ran.result->run_attached(own, attachment).ok());
        attachment = {};
        FdReader reader(output.read_end.get(), "output");
        CHECK(read_all(reader, 1000, "output") == expected);
    }
}

TEST_CASE("a terminal of its own controls the command that is given one") {
    Scene scene;
    RunSpec spec = scene.shell("[ -t 0 ] && [ -t 1 ] && stty size && exec 3<>/dev/tty && echo mine");
    spec.terminal = TerminalSize{31, 97};
    Fd other_end;
    Attachment attachment;
    attachment.when_terminal = [&](Fd terminal) { other_end = std::move(terminal); };
    CHECK(scene.sandbox().run_attached(spec, attachment).ok());
    std::string text;
    std::array<char, 1000> block;
    for (ssize_t count = 0; (count = ::read(other_end.get(), block.data(), block.size())) > 0;)
        text.append(block.data(), static_cast<std::size_t>(count));
    CHECK(text == "31 97\r\nmine\r\n");
}
