// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/spooled_files.h"

#include <doctest/doctest.h>

#include "base/temporary_directory.h"

namespace imgbuild::builder {
namespace {

void add(SpooledFiles& spool, std::string_view text) {
    spool.append(as_bytes(text.substr(0, text.size() / 2)));
    spool.append(as_bytes(text.substr(text.size() / 2)));
    spool.end_file(Sha256::of(text));
}

std::string read(SpooledFiles& spool, std::string_view text) {
    const auto reader = spool.open(Sha256::of(text), text.size());
    return reader ? read_all(*reader, 1 << 20, "spool") : "(not there)";
}

TEST_CASE("files come back by their digest, in any order and any number of times") {
    const TemporaryDirectory scratch = TemporaryDirectory::create();
    SpooledFiles spool(scratch.directory(), "tar");
    add(spool, "first");
    add(spool, "second file");
    add(spool, "first");
    add(spool, "third");
    for (const char* text : {"third", "first", "second file", "first"}) CHECK(read(spool, text) == text);
    CHECK(read(spool, "fourth") == "(not there)");
}

TEST_CASE("the files have no name on the disk, not even while they are needed") {
    const TemporaryDirectory scratch = TemporaryDirectory::create();
    const Directory folder = scratch.directory().make_directory(ImagePath::clean("pending"));
    SpooledFiles spool(folder, "tar");
    add(spool, "first");
    CHECK(folder.list().empty());
}

}  // namespace
}  // namespace imgbuild::builder
