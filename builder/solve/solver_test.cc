// SPDX-License-Identifier: Apache-2.0
// Plans without commands: what needs a sandbox is tested by the end-to-end tests.
#include "builder/solve/solver.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

#include "base/atomic_file.h"
#include "base/directory.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "builder/plan/merge_plans.h"
#include "builder/plan/planner.h"
#include "parser/buildfile/buildfile.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using imgbuild::test::refusal;

namespace {

class NoImages final : public ImageResolver {
  public:
    std::shared_ptr<const ResolvedImage> resolve(const std::string& reference, const layerstore::Platform&) override {
        throw Error(ErrorKind::unavailable, reference + ": there are no images here");
    }
    std::shared_ptr<const ResolvedImage> resolve_layout(const std::string& place,
                                                        const layerstore::Platform& platform) override {
        return resolve(place, platform);
    }
};

/// Notes what happened, by label: "cached COPY a /".
class Notes final : public BuildObserver {
  public:
    std::vector<std::string> lines;

    void plan_known(const BuildPlan& plan) override { plan_ = &plan; }
    void started(NodeId node) override { note("started", node); }
    void explained(NodeId, const std::vector<std::string>&) override {}
    void output(NodeId, std::string_view) override {}
    void cached(NodeId node) override { note("cached", node); }
    void finished(NodeId node, std::chrono::nanoseconds, std::string_view) override { note("finished", node); }
    void failed(NodeId node, const StepFailure&) override { note("failed", node); }
    void layers_failed(NodeId node) override { note("layers failed", node); }
    void warning(std::string_view text) override { lines.emplace_back(text); }

  private:
    void note(std::string_view what, NodeId node) {
        if (plan_->nodes[node].number != 0) lines.push_back(fmt::format("{} {}", what, plan_->nodes[node].label));
    }
    const BuildPlan* plan_ = nullptr;
};

struct OneImage : SolvedImage {
    std::size_t steps = 0;
    std::size_t cached_steps = 0;
};

struct Build {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    Directory context = Directory::create_host(scratch.path() + "/context");
    std::string store_path = scratch.path() + "/store";
    NoImages resolver;
    SolveOptions options;
    parser::IgnoreRules ignore;
    std::string ignore_name;
    std::vector<const char*> platforms{"linux/amd64"};
    std::vector<std::string> events;
    std::function<void()> when_open = [] {};  ///< done between opening the store and solving

    Build() { options.goal = {.layers = true, .blobs = true, .files = true}; }

    void file(const std::string& name, std::string_view bytes) const {
        write_file_atomically(context, name, bytes, Durability::none);
    }

    void sql(const char* statement) const {
        sqlite3* handle = nullptr;
        REQUIRE(sqlite3_open((store_path + "/store.db").c_str(), &handle) == SQLITE_OK);
        CHECK(sqlite3_exec(handle, statement, nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(handle);
    }

    std::variant<Solved, NotCached> run(const std::string& text) {
        parser::Source source("Buildfile", text);
        parser::ParseResult parsed = parser::parse_buildfile(source);
        REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.render(source));
        PlanRequest request{.buildfile = parsed.buildfile, .resolver = resolver};
        request.build_platform = layerstore::Platform::parse("linux/amd64");
        request.contexts[""] = {NamedContext::Kind::files, context.name()};
        std::vector<BuildPlan> plans;
        for (const char* platform : platforms) {
            request.platform = layerstore::Platform::parse(platform);
            PlanResult planned = make_plan(request);
            REQUIRE(planned.plan);
            plans.push_back(std::move(*planned.plan));
        }
        const BuildPlan plan = merge_plans(std::move(plans));
        options.contexts[""] = ContextDirectory{context.name(), ignore, ignore_name, false};
        options.locate = [&](parser::Span span) { return parser::location(span, source); };
        auto store = layerstore::Store::open(store_path);
        auto lease = store->lease();
        when_open();
        Notes notes;
        struct Keep {
            std::vector<std::string>& to;
            Notes& from;
            ~Keep() { to = from.lines; }
        } keep{events, notes};
        auto solved = solve(plan, options, *store, *lease, notes);
        if (auto* made = std::get_if<Solved>(&solved)) remember(made->images.at(0), store->blobs());
        return solved;
    }
    OneImage image(const std::string& text) {
        Solved solved = std::get<Solved>(run(text));
        return {std::move(solved.images.at(0)), solved.steps, solved.cached_steps};
    }

    std::vector<std::string> paths;     ///< of the last image
    std::vector<Digest> layers;         ///< of the last image
    std::vector<Digest> missing_blobs;  ///< layers that are not in the store

  private:
    // The store closes with the build, so what tests look at is taken now.
    void remember(const SolvedImage& image, const layerstore::BlobStore& blobs) {
        paths.clear();
        layers.clear();
        missing_blobs.clear();
        image.tree.walk([&](const ImagePath& path, const layerstore::Child&) {
            paths.push_back(path.bytes());
            return true;
        });
        for (const FinishedLayer& layer : image.layers) {
            layers.push_back(layer.blob.digest);
            if (!blobs.has(layer.blob.digest)) missing_blobs.push_back(layer.blob.digest);
        }
    }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("each step gives a layer whose blob stands in the store, and the files of all") {
    Build build;
    build.file("a", "alpha");
    OneImage image = build.image("FROM scratch\nCOPY a /dir/\nWORKDIR /work\n");
    CHECK(build.paths == Lines{"/dir", "/dir/a", "/work"});
    CHECK(image.layers.size() == 2);
    CHECK(image.base_layers == 0);
    CHECK(build.missing_blobs.empty());
    CHECK(build.events ==
          Lines{"started COPY a /dir/", "finished COPY a /dir/", "started WORKDIR /work", "finished WORKDIR /work"});
}

TEST_CASE("a second build finds every step and every layer") {
    Build build;
    build.file("a", "alpha");
    const std::string text = "FROM scratch\nCOPY a /a\nWORKDIR /work\n";
    build.image(text);
    const std::vector<Digest> layers = build.layers;
    OneImage again = build.image(text);
    CHECK(build.layers == layers);
    CHECK(again.cached_steps == 2);
    CHECK(build.events == Lines{"cached COPY a /a", "cached WORKDIR /work"});
}

TEST_CASE("a changed file does its own step again, and a step whose result is the same disturbs nothing") {
    Build build;
    build.file("a", "alpha");
    build.file("b", "beta");
    const std::string text = "FROM scratch AS one\nCOPY a /a\nCOPY b /b\nFROM scratch\nCOPY --from=one /b /b\n";
    build.image(text);
    build.file("a", "another");
    build.image(text);
    CHECK(build.events == Lines{"started COPY a /a", "finished COPY a /a", "started COPY b /b", "cached COPY b /b",
                                "cached COPY --from=one /b /b"});
}

TEST_CASE("files that come to what some step gave before are found, from wherever they are copied") {
    Build build;
    build.file("a", "alpha");
    build.file("one.txt", "text");
    build.image("FROM scratch\nCOPY a /x\nCOPY *.txt /texts/\n");
    build.file("b", "alpha");
    build.file("unmatched", "other");
    build.options.require_cached = true;
    build.image("FROM scratch\nWORKDIR /\nCOPY b /x\nCOPY *.txt /texts/\n");
    CHECK(build.events ==
          Lines{"started COPY b /x", "cached COPY b /x", "started COPY *.txt /texts/", "cached COPY *.txt /texts/"});
    build.options.require_cached = false;
    build.options.no_cache = true;
    CHECK(build.image("FROM scratch\nCOPY b /x\n").cached_steps == 0);
}

TEST_CASE("the time of files enters packing alone") {
    Build build;
    build.file("a", "alpha");
    const std::string text = "FROM scratch\nCOPY a /a\n";
    build.image(text);
    const std::vector<Digest> layers = build.layers;
    build.options.file_time = {1'700'000'000, 0};
    OneImage later = build.image(text);
    CHECK(later.cached_steps == 1);
    CHECK(build.layers != layers);
    CHECK(later.tree.find(ImagePath::clean("/a"))->mtime.seconds == 1'700'000'000);
}

TEST_CASE("the layers do not depend on the number of jobs or on the store") {
    const std::string text =
        "FROM scratch AS a\nCOPY a /a\nFROM scratch AS b\nCOPY b /b\nFROM scratch\n"
        "COPY --from=a / /\nCOPY --from=b / /\n";
    std::vector<std::vector<Digest>> layers;
    for (std::size_t jobs : {1U, 4U}) {
        Build build;
        build.file("a", "alpha");
        build.file("b", "beta");
        build.options.jobs = jobs;
        build.image(text);
        layers.push_back(build.layers);
    }
    CHECK(layers[0] == layers[1]);
}

TEST_CASE("a layer whose blob is gone is packed again to the same bytes") {
    Build build;
    build.file("a", "alpha");
    const std::string text = "FROM scratch\nCOPY a /a\n";
    build.image(text);
    const std::vector<Digest> layers = build.layers;
    layerstore::Store::open(build.store_path)->blobs().remove(layers.at(0));
    build.image(text);
    CHECK(build.layers == layers);
    CHECK(build.missing_blobs.empty());
}

TEST_CASE("a step that is found on a base with other times is put on that one") {
    Build build;
    build.file("a", "alpha");
    const std::string text = "FROM scratch\nCOPY a /a\nWORKDIR /b\n";
    build.image(text);
    auto memos_of = [&](layerstore::Records& records, layerstore::MemoKind kind) {
        std::vector<layerstore::MemoRow> memos;
        records.each_memo([&](const layerstore::MemoRow& memo) {
            if (memo.kind == kind) memos.push_back(memo);
        });
        return memos;
    };
    {
        // As if each had been done on a root of the same content that is another tree.
        auto store = layerstore::Store::open(build.store_path);
        layerstore::Records& records = store->records();
        CHECK(memos_of(records, layerstore::MemoKind::apply).empty());
        for (const layerstore::MemoRow& memo : memos_of(records, layerstore::MemoKind::edit)) {
            layerstore::StepValue value = layerstore::StepValue::decode(memo.value);
            value.applied->root = {Sha256::of("another root")};
            records.put_memo(memo.kind, memo.key, value.encode(), records.find_memo(memo.kind, memo.key)->preimage);
        }
    }
    for (int i = 0; i < 2; ++i) {
        CHECK(build.image(text).cached_steps == 2);
        CHECK(build.paths == std::vector<std::string>{"/a", "/b"});
    }
    auto store = layerstore::Store::open(build.store_path);
    CHECK(memos_of(store->records(), layerstore::MemoKind::apply).size() == 2);
}

TEST_CASE("where tree records are gone everything is done again, to the same layers") {
    Build build;
    build.file("a", "alpha");
    const std::string text = "FROM scratch AS one\nCOPY a /dir/a\nFROM scratch\nCOPY --from=one /dir /dir\n";
    build.image(text);
    const std::vector<Digest> layers = build.layers;
    {
        auto store = layerstore::Store::open(build.store_path);
        for (const Digest& node : store->records().nodes()) store->records().remove_node(node);
    }
    CHECK(build.image(text).cached_steps == 0);
    CHECK(build.layers == layers);
    CHECK(std::ranges::any_of(build.events, [](const std::string& line) {
        return line.find("doing everything again") != std::string::npos;
    }));
    CHECK(std::ranges::none_of(build.events, [](const std::string& line) { return line.starts_with("failed"); }));
}

TEST_CASE("a build that met a lost tree node leaves none behind: the next one finds everything") {
    Build build;
    build.file("a", "alpha");
    build.file("b", "beta");
    const std::string text =
        "FROM scratch AS one\nCOPY a /dir/deep/a\nCOPY b /dir/b\nFROM scratch\nCOPY --from=one /dir /dir\n";
    build.image(text);
    {
        // A node without children: those above it stay and promise it.
        auto store = layerstore::Store::open(build.store_path);
        layerstore::Records& records = store->records();
        for (const Digest& node : records.nodes())
            if (records.children_of(node).empty()) records.remove_node(node);
    }
    build.file("c", "gamma");
    build.image(text + "COPY c /dir/deep/c\n");
    const OneImage again = build.image(text + "COPY c /dir/deep/c\n");
    CHECK(again.cached_steps == again.steps);
    CHECK(std::ranges::all_of(build.events, [](const std::string& line) { return line.starts_with("cached"); }));
    CHECK(layerstore::Store::open(build.store_path)->fsck(false).empty());
}

TEST_CASE("a layer that cannot be packed is told as that, and its step stays done") {
    Build build;
    build.file("a", "alpha");
    const std::string text = "FROM scratch\nCOPY a /a\n";
    build.image(text);
    const std::string name = "blobs/sha256/" + build.layers.at(0).hex();
    {
        auto store = layerstore::Store::open(build.store_path);
        store->blobs().remove(build.layers.at(0));
        store->root().make_directory(ImagePath::clean(name));  // where the blob should go
    }
    const std::string said = refusal([&] { build.image(text); });
    CHECK(said.find("Buildfile:2:1: COPY a /a: packing its layer: ") != std::string::npos);
    CHECK(build.events == Lines{"cached COPY a /a", "layers failed COPY a /a"});
}

TEST_CASE("what goes wrong while a packed layer is looked for is told with its step") {
    Build build;
    const std::string text = "FROM scratch\nWORKDIR /work\n";
    build.image(text);
    build.options.no_cache = true;
    build.when_open = [&] { build.sql("DROP TABLE packed"); };
    const std::string said = refusal([&] { build.image(text); });
    CHECK(said.find("Buildfile:2:1: WORKDIR /work: packing its layer: ") != std::string::npos);
    CHECK(build.events == Lines{"started WORKDIR /work", "finished WORKDIR /work", "layers failed WORKDIR /work"});
}

TEST_CASE("a heredoc's content is found also where its step comes from the cache") {
    Build build;
    const std::string text = "FROM scratch\nCOPY <<FILE /a\nhello\nFILE\n";
    build.image(text);
    build.options.packing.compression = Compression::zstd;
    build.options.packing.level = 3;
    OneImage image = build.image(text);
    CHECK(image.cached_steps == 1);
    CHECK(build.missing_blobs.empty());
}

TEST_CASE("under require_cached the first step that is not there is named and nothing is done") {
    Build build;
    build.file("a", "alpha");
    build.options.require_cached = true;
    auto solved = build.run("FROM scratch\nCOPY a /a\nCOPY a /b\n");
    REQUIRE(std::holds_alternative<NotCached>(solved));
    CHECK(build.events == Lines{"started COPY a /a"});
    CHECK(std::get<NotCached>(solved).causes == Lines{"nothing like it was done before"});
    // What was only looked at is not known afterwards.
    CHECK(std::holds_alternative<NotCached>(build.run("FROM scratch\nCOPY a /a\n")));
}

TEST_CASE("require_cached of stages lets the others be done") {
    Build build;
    build.file("a", "alpha");
    const std::string text = "FROM scratch AS One\nCOPY a /a\nFROM scratch AS two\nCOPY --from=One /a /b\n";
    build.image(text);
    build.file("a", "other");
    build.options.require_cached_stages = {"one"};
    CHECK(std::holds_alternative<NotCached>(build.run(text)));
    build.options.require_cached_stages = {"two"};
    const auto solved = build.run(text);
    REQUIRE(std::holds_alternative<NotCached>(solved));
    CHECK(std::get<NotCached>(solved).causes == Lines{"files of the source changed", "changed /b (content)"});
    build.options.require_cached_stages.clear();
    CHECK(build.image(text).cached_steps == 1);
}

TEST_CASE("steps of one build that do the same are done once, also without cache") {
    Build build;
    build.file("a", "alpha");
    build.options.no_cache = true;
    build.options.jobs = 1;
    const std::string text =
        "FROM scratch AS one\nCOPY a /a\nFROM scratch AS two\nCOPY a /a\nFROM scratch\n"
        "COPY --from=one /a /b\nCOPY --from=two /a /c\n";
    CHECK(build.image(text).cached_steps == 1);
    CHECK(build.image(text).cached_steps == 1);
}

TEST_CASE("no_cache does the steps of all or of named stages again") {
    Build build;
    build.file("a", "alpha");
    const std::string text = "FROM scratch AS One\nCOPY a /a\nFROM scratch\nCOPY --from=One /a /b\n";
    build.image(text);
    build.options.no_cache_stages = {"one"};
    CHECK(build.image(text).cached_steps == 1);
    build.options.no_cache = true;
    CHECK(build.image(text).cached_steps == 0);
}

TEST_CASE("of several failures the first in the order of the file is told, with its place") {
    Build build;
    const std::string text =
        "FROM scratch AS a\nCOPY nothing /a\nFROM scratch AS b\nCOPY none /b\nFROM scratch\n"
        "COPY --from=b / /\nCOPY --from=a / /\n";
    const std::string said = refusal([&] { build.run(text); });
    CHECK(said.find("not_found: Buildfile:2:1: COPY nothing /a") == 0);
    CHECK(said.find("nothing") != std::string::npos);
}

TEST_CASE("a source that an ignore rule hides is told with the rule") {
    Build build;
    build.file("notes.md", "x");
    parser::Diagnostics diagnostics;
    const std::vector<std::string> patterns{"*.md"};
    build.ignore = parser::IgnoreRules::from_patterns(patterns, {}, diagnostics);
    build.ignore_name = ".dockerignore";
    std::string hint;
    try {
        build.run("FROM scratch\nCOPY notes.md /\n");
    } catch (const Error& error) {
        hint = error.hint();
    }
    CHECK(hint == ".dockerignore:1: the rule *.md hides it from the context, " + build.context.name());
}

TEST_CASE("of a build for two platforms, what depends on neither is done once, and each has an image of its own") {
    Build build;
    build.platforms = {"linux/arm64", "linux/amd64"};
    build.file("a", "content");
    const Solved solved =
        std::get<Solved>(build.run("FROM --platform=$BUILDPLATFORM scratch AS shared\nCOPY a /tool\n"
                                   "FROM scratch\nARG TARGETARCH\nCOPY --from=shared /tool /bin-${TARGETARCH}\n"));
    REQUIRE(solved.images.size() == 2);
    CHECK(solved.steps == 3);
    CHECK(solved.images[0].tree.find(ImagePath::clean("/bin-arm64")));
    CHECK(solved.images[1].tree.find(ImagePath::clean("/bin-amd64")));
    CHECK(std::ranges::count(build.events, "finished COPY a /tool") == 1);
    CHECK(solved.images[0].layers.size() == 1);
    CHECK(solved.images[0].layers[0].blob.digest != solved.images[1].layers[0].blob.digest);
}

TEST_CASE("images that share all their steps share their layers") {
    Build build;
    build.platforms = {"linux/arm64", "linux/amd64"};
    build.file("a", "content");
    const Solved solved = std::get<Solved>(build.run("FROM scratch\nCOPY a /\n"));
    REQUIRE(solved.images.size() == 2);
    CHECK(solved.steps == 1);
    CHECK(solved.images[0].layers[0].blob.digest == solved.images[1].layers[0].blob.digest);
}
