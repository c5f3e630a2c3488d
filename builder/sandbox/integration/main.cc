// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "base/error.h"
#include "base/stream.h"
#include "builder/sandbox/integration/scene.h"

int main(int argument_count, char** arguments) {
    imgbuild::builder::serve_if_helper(argument_count, arguments);
    try {
        imgbuild::builder::test_rung();
    } catch (const imgbuild::Error& error) {
        if (error.kind() != imgbuild::ErrorKind::unsupported) throw;
        constexpr int skipped = 77;  // as meson reads it
        imgbuild::FdWriter(1, "standard output").write(imgbuild::as_bytes("skipped: " + error.full_message() + "\n"));
        return skipped;
    }
    return doctest::Context(argument_count, arguments).run();
}
