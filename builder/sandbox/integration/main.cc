// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "builder/sandbox/sandbox.h"

int main(int argument_count, char** arguments) {
    imgbuild::builder::serve_if_helper(argument_count, arguments);
    return doctest::Context(argument_count, arguments).run();
}
