// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/emulation.h"

#include <doctest/doctest.h>

#include "base/test_support.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using imgbuild::test::refusal;
using layerstore::Platform;

namespace {

// As the kernel shows what qemu-user-static registers.
const std::string aarch64 =
    "enabled\n"
    "interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\n"
    "flags: POCF\n"
    "offset 0\n"
    "magic 7f454c460201010000000000000000000200b700\n"
    "mask ffffffffffffff00fffffffffffffffffeffffff\n";

}  // namespace

TEST_CASE("a registered format takes the programs of its architecture and no others") {
    const auto format = parse_binary_format(aarch64);
    REQUIRE(format);
    CHECK(format->enabled);
    CHECK(format->is_open);
    CHECK(format->interpreter == "/usr/libexec/qemu-binfmt/aarch64-binfmt-P");
    CHECK(format->matches(program_header(Platform::parse("linux/arm64"))));
    CHECK_FALSE(format->matches(program_header(Platform::parse("linux/arm/v7"))));
    CHECK_FALSE(format->matches(program_header(Platform::parse("linux/s390x"))));
    CHECK_FALSE(
        format->matches("\x7f"
                        "ELF"));
    CHECK_FALSE(format->matches(""));
}

TEST_CASE("a format without the flag F, and one that is switched off, are told apart") {
    std::string text = aarch64;
    text.replace(text.find("POCF"), 4, "OC");
    CHECK_FALSE(parse_binary_format(text)->is_open);
    text.replace(0, 7, "disabled");
    CHECK_FALSE(parse_binary_format(text)->enabled);
}

TEST_CASE("a format that goes by names of files, or is malformed, is none") {
    CHECK_FALSE(parse_binary_format("enabled\ninterpreter /usr/bin/python3\nflags: \nextension .pyc\n"));
    CHECK_FALSE(parse_binary_format("enabled\ninterpreter /i\nflags: \noffset 0\nmagic 7fzz\n"));
    CHECK_FALSE(parse_binary_format("enabled\ninterpreter /i\nflags: \noffset 0\nmagic 7f45\nmask ff\n"));
    CHECK_FALSE(parse_binary_format(""));
    CHECK(parse_binary_format("enabled\ninterpreter /i\nflags: F\noffset 1\nmagic 454c\n")
              ->matches("\x7f"
                        "ELF"));
}

TEST_CASE("headers say class, order of bytes and machine") {
    CHECK(program_header(Platform::parse("linux/amd64")).substr(0, 7) ==
          "\x7f"
          "ELF\2\1\1");
    CHECK(program_header(Platform::parse("linux/s390x")).substr(16) == std::string("\0\2\0\x16", 4));
    CHECK(program_header(Platform::parse("linux/386")).substr(16) == std::string("\2\0\3\0", 4));
    CHECK(program_header(Platform::parse("linux/wasm")).empty());
}

TEST_CASE("commands of this machine's platform can run, those of another system and of no architecture cannot") {
    CHECK_NOTHROW(require_runnable(Platform::host()));
    CHECK(refusal([] { require_runnable(Platform::parse("windows/amd64")); }) ==
          "unsupported: RUN for windows/amd64: its commands cannot run on linux");
    CHECK(refusal([] {
              require_runnable(Platform::parse("linux/wasm"));
          }).starts_with("unsupported: RUN for linux/wasm: "));
}
