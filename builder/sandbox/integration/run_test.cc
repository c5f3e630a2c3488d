// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/error.h"
#include "builder/sandbox/integration/scene.h"

using namespace imgbuild;
using namespace imgbuild::builder;

TEST_CASE("a command runs, its output reaches the log and its exit code the result") {
    Scene scene;
    Ran ran = scene.run("echo out; echo err >&2");
    CHECK(ran.status.code == 0);
    CHECK(ran.output == "out\nerr\n");
    CHECK(scene.run("exit 7").status.code == 7);
    Ran killed = scene.run("kill -9 $$");
    CHECK(killed.status.code == 137);
    CHECK(killed.status.signal == 9);
}
