// SPDX-License-Identifier: Apache-2.0
// A measurement, not a check: what a RUN costs beyond the command. Run it in a release build on a quiet machine:
//   sandbox_test --no-skip --test-case='the cost*'

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "builder/sandbox/integration/scene.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

constexpr int rounds = 300;

struct Spread {
    double lowest, median;
};

// Milliseconds of one call.
template <class Action>
Spread measure(Action action) {
    std::vector<double> times;
    for (int i = 0; i < rounds; ++i) {
        auto start = std::chrono::steady_clock::now();
        action();
        times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(times.begin(), times.end());
    return {times.front(), times[times.size() / 2]};
}

}  // namespace

TEST_CASE("the cost of a RUN beyond a spawn of the command" * doctest::skip()) {
    Scene scene;
    LayerDraft usual;  // what every distribution's image has
    usual.directory("/dev").directory("/proc").directory("/sys").file("/etc/hosts", "").file("/etc/resolv.conf", "");
    scene.add_layer(usual);
    RunSpec spec = scene.spec({"/bin/true"});
    Fd log(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    scene.sandbox().run(spec, log);
    ProcessOptions options;
    options.arguments = {"/bin/busybox", "true"};
    auto report = [](const char* what, Spread spread) {
        MESSAGE(fmt::format("{}: {:.2f} ms at best, {:.2f} ms in the median", what, spread.lowest, spread.median));
    };
    report("spawn of the command", measure([&] { Process::start(options).wait(); }));
    report("run without a network", measure([&] { scene.sandbox().run(spec, log); }));
    spec.network = NetworkMode::host;
    report("run in the host's network", measure([&] { scene.sandbox().run(spec, log); }));
    report("run and keep", measure([&] { scene.run_and_keep(spec); }));
}
