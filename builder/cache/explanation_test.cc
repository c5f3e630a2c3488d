// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/explanation.h"

#include <doctest/doctest.h>

#include "base/temporary_directory.h"
#include "base/wire.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using layerstore::Change;
using layerstore::ChangeKind;
using layerstore::MemoKind;
using layerstore::TreeDelta;

namespace {

struct Memory {
    TemporaryDirectory place = TemporaryDirectory::create();
    layerstore::Records records{place.path()};
    std::string of_this_build;

    DeltaId keep(const StepKey& key, MemoKind kind = MemoKind::run) {
        const DeltaId delta{Sha256::of("result of " + key.digest().hex())};
        records.put_memo(kind, key.digest(), WireWriter().digest(delta.value).take(), key.preimage());
        return delta;
    }
    std::vector<std::string> causes(const StepKey& key, MemoKind kind = MemoKind::run) {
        const auto earlier = most_similar_step(records, kind, key, "the base image",
                                               [&](const std::string& preimage) { return of_this_build == preimage; });
        return earlier ? earlier->causes : std::vector<std::string>{"never seen"};
    }
};

StepKey run(const std::string& command, const std::string& root, const std::vector<std::string>& environment = {}) {
    StepKey key("RUN");
    key.add("argument", "/bin/sh").add("argument", "-c").add("argument", command).add("root", Sha256::of(root));
    for (const std::string& variable : environment) key.add("environment", variable);
    key.add("user", "root");
    return key;
}

Change put(std::string_view path, std::string_view bytes, std::uint16_t mode = 0644) {
    return {
        ImagePath::clean(path), ChangeKind::put, {.mode = mode, .size = bytes.size(), .content = Sha256::of(bytes)}};
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a step of which the store has seen nothing like it has no earlier one") {
    Memory memory;
    CHECK(memory.causes(run("make", "a")) == Lines{"never seen"});
    memory.keep(run("make test", "b"));
    CHECK(memory.causes(run("make", "a")) == Lines{"never seen"});
    // A COPY of the same root is no earlier RUN.
    memory.keep(StepKey("COPY").add("root", Sha256::of("a")), MemoKind::edit);
    CHECK(memory.causes(run("make", "a")) == Lines{"never seen"});
}

TEST_CASE("what differs from the most similar step is named") {
    Memory memory;
    const DeltaId earlier = memory.keep(run("make", "a", {"PATH=/bin", "TOKEN=one", "OLD=1"}));
    memory.keep(run("make", "another", {"TOKEN=three"}));
    CHECK(memory.causes(run("make all", "a", {"PATH=/bin", "TOKEN=one", "OLD=1"})) == Lines{"the command changed"});
    CHECK(memory.causes(run("make", "b", {"PATH=/bin", "TOKEN=one", "OLD=1"})) == Lines{"the base image changed"});
    CHECK(memory.causes(run("make", "a", {"PATH=/bin", "TOKEN=two", "NEW=1"})) ==
          Lines{"environment NEW is new", "environment TOKEN changed", "environment OLD is gone"});
    memory.keep(run("make install", "c", {"PATH=/bin"}));
    CHECK(memory.causes(run("make", "c", {"PATH=/bin", "TOKEN=one", "OLD=1"})) == Lines{"the base image changed"});
    CHECK(most_similar_step(memory.records, MemoKind::run, run("make all", "a", {"PATH=/bin"}), "",
                            [](const std::string&) { return false; })
              ->delta == earlier);
}

TEST_CASE("what differs in a mount is told by its place, and of a build argument by its name") {
    const auto key = [](const std::string& files, const std::string& id, const std::string& token) {
        StepKey made("RUN");
        made.add("argument", "make").add("root", Sha256::of("a")).add("build argument", "TOKEN=" + token);
        made.add("mount", "bind").add("mount target", "/src").add("mount files", Sha256::of(files));
        return made.add("mount", "secret").add("mount target", "").add("mount id", id);
    };
    Memory memory;
    memory.keep(key("one", "npmrc", "1"));
    CHECK(memory.causes(key("two", "npmrc", "1")) == Lines{"files of the mount at /src changed"});
    CHECK(memory.causes(key("one", "other", "1")) == Lines{"the secret mount changed"});
    CHECK(memory.causes(key("one", "npmrc", "2")) == Lines{"build argument TOKEN changed"});
    StepKey without("RUN");
    without.add("argument", "make").add("root", Sha256::of("a"));
    CHECK(memory.causes(without) ==
          Lines{"build argument TOKEN is gone", "the mount at /src is gone", "the secret mount is gone"});
}

TEST_CASE("another step of the same build is no earlier one") {
    Memory memory;
    memory.keep(run("true", "a"));
    memory.of_this_build = run("true", "a").preimage();
    CHECK(memory.causes(run("false", "a")) == Lines{"never seen"});
    CHECK(memory.causes(run("true", "a")).empty());
}

TEST_CASE("values of variables are never part of a cause") {
    Memory memory;
    memory.keep(run("make", "a", {"TOKEN=hunter2"}));
    for (const std::string& cause : memory.causes(run("make", "a", {"TOKEN=hunter3"})))
        CHECK(cause.find("hunter") == std::string::npos);
}

TEST_CASE("a step with the same key has no causes") {
    Memory memory;
    memory.keep(run("make", "a"));
    CHECK(memory.causes(run("make", "a")).empty());
}

TEST_CASE("a damaged memo explains nothing") {
    Memory memory;
    memory.records.put_memo(MemoKind::run, Sha256::of("key"), "short", run("make", "a").preimage());
    CHECK(memory.causes(run("make", "a")) == Lines{"never seen"});
}

TEST_CASE("the paths that two results differ in are named in order, so many and no more") {
    const TreeDelta before =
        TreeDelta::build({put("/a", "1"), put("/b", "1"), put("/c", "1"), put("/d", "1"), put("/same", "1")});
    const TreeDelta after =
        TreeDelta::build({put("/a", "2"), put("/c", "1", 0755), put("/d", "1"), put("/new", "1"), put("/same", "1")});
    CHECK(differing_paths(before, after, 10) ==
          Lines{"changed /a (content)", "removed /b", "changed /c (mode)", "added /new"});
    CHECK(differing_paths(before, after, 2) == Lines{"changed /a (content)", "removed /b", "and 2 more"});
    CHECK(differing_paths(after, after, 2).empty());
}

TEST_CASE("a step that only others did explains as well, and the store's own is preferred to one that is as near") {
    Memory memory;
    const StepKey now = run("make", "new");
    const std::string delta = TreeDelta::build({put("/a", "a")}).encode();
    const StepKey theirs = run("make", "old");
    const ForeignSteps elsewhere{now.preimage(), {{"no preimage", ""}, {theirs.preimage(), delta}}};
    auto nearest = [&] {
        return most_similar_step(
            memory.records, MemoKind::run, now, "the base image", [](const auto&) { return false; }, elsewhere);
    };
    const auto foreign = nearest();
    REQUIRE(foreign);
    CHECK(foreign->causes == Lines{"the base image changed"});
    CHECK(foreign->delta == DeltaId{Sha256::of(delta)});
    CHECK(result_of(*foreign, memory.records).value().find(ImagePath::clean("/a")));
    const DeltaId own = memory.keep(theirs);
    CHECK(nearest().value().delta == own);
    CHECK(nearest().value().foreign_delta.empty());
    CHECK(!result_of({{}, {}, "no delta"}, memory.records));
}
