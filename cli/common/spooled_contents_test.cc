// SPDX-License-Identifier: Apache-2.0
#include "cli/common/spooled_contents.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "base/temporary_directory.h"

namespace imgbuild::cli {
namespace {

void add(SpooledContents& spool, std::string_view text) {
    spool.append(as_bytes(text.substr(0, text.size() / 2)));
    spool.append(as_bytes(text.substr(text.size() / 2)));
    spool.end_file();
}

std::string read(SpooledContents& spool, std::string_view text) {
    const auto reader = spool.open(Sha256::of(text), text.size());
    return reader ? read_all(*reader, 1 << 20, "spool") : "(not there)";
}

TEST_CASE("files come back by their digest, in any order and any number of times") {
    const TemporaryDirectory scratch = TemporaryDirectory::create();
    SpooledContents spool(scratch.directory());
    add(spool, "first");
    add(spool, "second file");
    add(spool, "first");
    add(spool, "third");
    for (const char* text : {"third", "first", "second file", "first"}) CHECK(read(spool, text) == text);
    CHECK(read(spool, "fourth") == "(not there)");
    CHECK_FALSE(spool.open(Sha256::of("first"), 4));
}

TEST_CASE("nothing is left behind") {
    const TemporaryDirectory scratch = TemporaryDirectory::create();
    const Directory folder = scratch.directory().make_directory(ImagePath::clean("pending"));
    {
        SpooledContents spool(folder);
        add(spool, "first");
        CHECK(folder.list().size() == 1);
    }
    CHECK(folder.list().empty());
}

}  // namespace
}  // namespace imgbuild::cli
