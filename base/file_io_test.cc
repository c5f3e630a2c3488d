// SPDX-License-Identifier: Apache-2.0
#include "base/file_io.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "base/fd.h"
#include "base/stream.h"
#include "base/test_support.h"

using namespace imgbuild;

namespace {

Fd memory_file() { return Fd(::memfd_create("file", MFD_CLOEXEC)); }

}  // namespace

TEST_CASE("bytes are written at their place, and what is between them stays a hole") {
    const Fd file = memory_file();
    constexpr std::uint64_t far = 1 << 20;
    write_at(file.get(), as_bytes("alpha"), 0, "file");
    write_at(file.get(), as_bytes("omega"), far, "file");
    CHECK(read_file(file.get(), 2 * far, "file").substr(far) == "omega");

    const auto first = next_data(file.get(), 0, "file");
    REQUIRE(first.has_value());
    CHECK(first->begin == 0);
    CHECK(first->end < far);
    const auto second = next_data(file.get(), first->end, "file");
    REQUIRE(second.has_value());
    CHECK(second->begin == far);
    CHECK(second->end == far + 5);
    CHECK(!next_data(file.get(), second->end, "file").has_value());
}

TEST_CASE("a range is copied to the same place, and a file that ends before is said") {
    const Fd from = memory_file();
    const Fd to = memory_file();
    write_at(from.get(), as_bytes("0123456789"), 0, "file");
    copy_range(from.get(), to.get(), {2, 6}, "file");
    CHECK(read_file(to.get(), 100, "file") == std::string(2, '\0') + "2345");
    CHECK(test::refusal([&] {
              copy_range(from.get(), to.get(), {8, 20}, "the file");
          }) == "corrupt: copy: the file: is shorter than it was");
}

TEST_CASE("an error of the kernel is no hole") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const Fd reading(ends[0]);
    const Fd writing(ends[1]);
    CHECK(test::refusal([&] { next_data(reading.get(), 0, "the pipe"); }) == "internal: read: the pipe: Illegal seek");
    CHECK(test::refusal([&] { write_at(writing.get(), as_bytes("x"), 0, "the pipe"); }) ==
          "internal: write: the pipe: Illegal seek");
}
