// SPDX-License-Identifier: Apache-2.0
// When a sandbox ends, by itself, by a wish or by force, nothing of it is left.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/stream.h"
#include "base/text.h"
#include "builder/sandbox/integration/scene.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

// Mount points of this namespace, but for those in temporary folders that are not of the store: other tests mount there
// beside this one.
std::vector<std::string> mounts_outside(const std::string& store) {
    std::vector<std::string> points;
    const std::string table = Directory::open_host("/proc/self").read_file(at("mountinfo"), 1 << 22);
    for (const std::string_view line : split(table, '\n')) {
        const auto fields = split(line, ' ');
        if (fields.size() < 5) continue;
        const std::string_view point = fields[4];
        const bool is_temporary = point.starts_with("/tmp/") || point.starts_with("/var/tmp/");
        if (!is_temporary || line.find(store) != std::string_view::npos) points.emplace_back(point);
    }
    return points;
}

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds patience{10};

// How many processes have `mark` among their arguments.
int processes_with(const std::string& mark) {
    int count = 0;
    Directory proc = Directory::open_host("/proc");
    for (const std::string& name : proc.list()) {
        if (!parse_unsigned(name)) continue;
        try {
            std::string arguments = proc.read_file(at(name + "/cmdline"), 1 << 20);
            if (arguments.find(mark + std::string(1, '\0')) != std::string::npos) ++count;
        } catch (const Error&) {
            // Gone meanwhile, or somebody else's.
        }
    }
    return count;
}

// The numbers of those that `parent` started and that still are.
std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    std::string path = std::to_string(parent) + "/task/" + std::to_string(parent) + "/children";
    std::string text = Directory::open_host("/proc").read_file(at(path), 1 << 16);
    for (std::string_view word : split(text, ' '))
        if (auto number = parse_unsigned(word)) children.push_back(static_cast<pid_t>(*number));
    return children;
}

bool comes_true(const std::function<bool()>& condition) {
    for (auto end = Clock::now() + patience; Clock::now() < end;) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
}

// `body` in a process of its own, which ends with what it returns.
pid_t in_child(const std::function<int()>& body) {
    pid_t pid = ::fork();
    if (pid == 0) ::_exit(body());
    return pid;
}

int exit_code_of(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string new_mark() { return "mark-" + random_name(); }

std::size_t pending_in(const Scene& scene, Sandbox& sandbox) {
    return Directory::open_host(scene.store() + "/deltas/" + sandbox.spelling() + "/pending").list().size();
}

void send_byte(int pipe) { CHECK(::write(pipe, "x", 1) == 1); }

void await_byte(int pipe) {
    char byte = 0;
    CHECK(::read(pipe, &byte, 1) == 1);
}

// Calls `when_read` once, before it gives the first bytes.
class PausingReader final : public ByteReader {
  public:
    PausingReader(const std::string& bytes, std::function<void()> when_read)
        : inner_(bytes), when_read_(std::move(when_read)) {}
    std::size_t read(std::span<std::byte> buffer) override {
        if (auto call = std::exchange(when_read_, nullptr)) call();
        return inner_.read(buffer);
    }

  private:
    MemoryReader inner_;
    std::function<void()> when_read_;
};

}  // namespace

TEST_CASE("daemons are killed when the command ends, whatever they ignore") {
    Scene scene;
    std::string mark = new_mark();
    Ran ran =
        scene.run("inside daemon /tmp/alive " + mark + "; until test -s /tmp/alive; do sleep 0.05; done; echo alive");
    CHECK(ran.output == "alive\n");
    CHECK(ran.status.code == 0);
    CHECK(processes_with(mark) == 0);
}

TEST_CASE("a command that was asked to stop ends soon, with its daemons and its work") {
    Scene scene;
    std::string mark = new_mark();
    RunSpec spec =
        scene.shell("trap '' TERM INT HUP; inside daemon /tmp/alive " + mark + "; sh -c 'sleep 1000; :' " + mark);
    pid_t child = in_child([&] {
        auto sandbox = scene.another();
        install_cancel_handlers();
        Fd log(::open("/dev/null", O_WRONLY | O_CLOEXEC));
        try {
            sandbox->run(spec, log);
            return 1;
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::interrupted) return 2;
        }
        if (processes_with(mark) != 0) return 3;
        return pending_in(scene, *sandbox) == 0 ? 0 : 4;
    });
    REQUIRE(comes_true([&] { return processes_with(mark) >= 2; }));
    auto start = Clock::now();
    ::kill(child, SIGINT);
    CHECK(exit_code_of(child) == 0);
    CHECK(Clock::now() - start < std::chrono::seconds(3));
    CHECK(processes_with(mark) == 0);
}

TEST_CASE("who waits for another to materialise a delta can be asked to stop") {
    Scene scene;
    LayerDraft draft;
    draft.file("/f", std::string(8 << 20, 'x'));
    layerstore::TreeDelta delta = layerstore::TreeDelta::build(draft.changes);
    std::string tar = tar_of(delta, draft);
    int reached[2], released[2];
    REQUIRE((::pipe2(reached, O_CLOEXEC) == 0 && ::pipe2(released, O_CLOEXEC) == 0));
    std::thread slow([&] {
        PausingReader reader(tar, [&] { await_byte(released[0]); });
        scene.sandbox().materialise(delta.id(), reader);
    });
    CHECK(comes_true([&] { return pending_in(scene, scene.sandbox()) == 1; }));
    pid_t child = in_child([&] {
        install_cancel_handlers();
        PausingReader reader(tar, [&] { send_byte(reached[1]); });
        try {
            scene.another()->materialise(delta.id(), reader);
            return 1;
        } catch (const Error& error) {
            return error.kind() == ErrorKind::interrupted ? 0 : 2;
        }
    });
    await_byte(reached[0]);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // by then it waits for room
    auto start = Clock::now();
    ::kill(child, SIGINT);
    CHECK(exit_code_of(child) == 0);
    CHECK(Clock::now() - start < std::chrono::seconds(3));
    send_byte(released[1]);
    slow.join();
    CHECK(scene.sandbox().has(delta.id()));
    for (int end : {reached[0], reached[1], released[0], released[1]}) ::close(end);
}

TEST_CASE("when the main process is killed, helper and sandbox die and the next one sweeps up") {
    TemporaryDirectory place = TemporaryDirectory::create();
    std::string mark = new_mark();
    pid_t child = in_child([&] {
        Scene scene(test_rung(), place.path());
        scene.run("inside daemon /tmp/alive " + mark + "; sh -c 'sleep 1000; :' " + mark);
        return 1;
    });
    REQUIRE(comes_true([&] { return processes_with(mark) >= 2; }));
    ::kill(child, SIGKILL);
    CHECK(exit_code_of(child) == -SIGKILL);
    CHECK(comes_true([&] { return processes_with(mark) == 0; }));
    Scene scene(test_rung(), place.path());
    CHECK(scene.run("ls /tmp").output.empty());
    CHECK(comes_true([&] { return pending_in(scene, scene.sandbox()) == 0; }));
}

TEST_CASE("when a process of the helper is killed, the next request is served as ever") {
    std::vector<pid_t> before = children_of(::getpid());
    Scene scene;
    std::vector<pid_t> helper = children_of(::getpid());
    std::erase_if(helper, [&](pid_t pid) { return std::ranges::find(before, pid) != before.end(); });
    REQUIRE(helper.size() == 1);
    for (int round = 0; round < 3; ++round) {
        REQUIRE(comes_true([&] { return children_of(helper[0]).size() == 1; }));
        pid_t waiting = children_of(helper[0]).at(0);
        REQUIRE(::kill(waiting, SIGKILL) == 0);
        REQUIRE(comes_true([&] { return children_of(helper[0]) != std::vector{waiting}; }));
        CHECK(scene.run("echo served").output == "served\n");
    }
}

TEST_CASE("no mount is seen outside while a command runs or afterwards") {
    Scene scene;
    const auto mounts = [&] { return mounts_outside(scene.store()); };
    const std::vector<std::string> before = mounts();
    std::thread running([&] { scene.run("sleep 0.5"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    CHECK(mounts() == before);
    running.join();
    CHECK(mounts() == before);
}

TEST_CASE("a log that nobody reads any more does not keep the sandbox") {
    Scene scene;
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    Fd log(ends[1]);
    { Fd reader(ends[0]); }
    auto result = scene.sandbox().run(scene.shell("while echo y; do :; done"), log);
    CHECK(result->status().signal == SIGPIPE);
}

TEST_CASE("results that are thrown away leave nothing in the store") {
    Scene scene;
    { Ran ran = scene.run("echo text > /new"); }
    { Ran ran = scene.run("exit 1"); }
    CHECK(comes_true([&] { return pending_in(scene, scene.sandbox()) == 0; }));
}

TEST_CASE("commands run beside each other, each in a sandbox of its own") {
    Scene scene;
    std::vector<std::thread> threads;
    std::vector<Ran> ran(6);
    for (std::size_t i = 0; i < ran.size(); ++i)
        threads.emplace_back([&, i] {
            ran[i] = scene.run("echo " + std::to_string(i) + " > /mine; sleep 0.2; cat /mine; ls / | wc -l");
        });
    for (std::thread& thread : threads) thread.join();
    for (std::size_t i = 0; i < ran.size(); ++i) {
        CHECK(ran[i].status.code == 0);
        CHECK(ran[i].output == std::to_string(i) + "\n10\n");
    }
}
