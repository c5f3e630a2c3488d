// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/layer_pipe.h"

#include <doctest/doctest.h>

#include <csignal>
#include <memory>
#include <string>

#include "base/test_support.h"
#include "layerstore/tree/entry.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;

namespace {

TreeDelta delta_of(const std::string& first, const std::string& second) {
    auto file = [](const std::string& bytes) {
        Entry entry;
        entry.size = bytes.size();
        entry.content = Sha256::of(bytes);
        return entry;
    };
    return TreeDelta::build({{ImagePath::clean("/a"), ChangeKind::put, file(first)},
                             {ImagePath::clean("/b"), ChangeKind::put, file(second)}});
}

}  // namespace

TEST_CASE("a layer goes through the pipe whole") {
    const auto memory = std::make_shared<MemoryContents>();
    memory->add("alpha\n");
    memory->add("beta\n");
    ContentSources contents;
    contents.add(memory);
    std::string tar;
    pipe_layer(delta_of("alpha\n", "beta\n"), contents,
               [&](ByteReader& reader) { tar = read_all(reader, 1 << 20, "tar"); });
    CHECK(tar.find("alpha\n") != std::string::npos);
    CHECK(tar.find("beta\n") != std::string::npos);
}

TEST_CASE("a layer that breaks off between two entries has no end that could be taken for one") {
    const auto memory = std::make_shared<MemoryContents>();
    memory->add("alpha\n");
    ContentSources contents;
    contents.add(memory);
    bool was_taken = false;
    const std::string said = test::refusal([&] {
        pipe_layer(delta_of("alpha\n", "lost\n"), contents, [&](ByteReader& reader) {
            drain(reader);
            was_taken = true;
        });
    });
    CHECK_FALSE(was_taken);
    CHECK(said.find("/b") != std::string::npos);
}

TEST_CASE("the reason of who reads a layer is the one that is told") {
    std::signal(SIGPIPE, SIG_IGN);  // as the program has it
    const auto memory = std::make_shared<MemoryContents>();
    memory->add("alpha\n");
    memory->add(std::string(1 << 20, 'x'));
    ContentSources contents;
    contents.add(memory);
    CHECK(test::refusal([&] {
              pipe_layer(delta_of("alpha\n", std::string(1 << 20, 'x')), contents,
                         [](ByteReader&) { throw Error(ErrorKind::no_space, "no room"); });
          }) == "no_space: no room");
}
