// SPDX-License-Identifier: Apache-2.0
#include "builder/compare/layer_comparison.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/temporary_directory.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::Change;
using layerstore::ChangeKind;
using layerstore::Entry;
using layerstore::EntryKind;
using layerstore::TreeDelta;

/// Layers whose reads are counted.
class Layers {
  public:
    Change file(const std::string& path, const std::string& bytes, std::uint16_t mode = 0644) {
        Entry entry;
        entry.mode = mode;
        entry.size = bytes.size();
        entry.content = memory_->add(bytes);
        return {ImagePath::clean(path), ChangeKind::put, entry};
    }
    static Change directory(const std::string& path) {
        return {ImagePath::clean(path), ChangeKind::put, layerstore::implied_directory()};
    }
    static Change gone(const std::string& path) { return {ImagePath::clean(path), ChangeKind::remove, {}}; }

    ComparedLayer layer(std::vector<Change> changes, std::vector<layerstore::LinkGroup> links = {}) {
        const TreeDelta delta = TreeDelta::build(std::move(changes), std::move(links));
        layerstore::ContentSources contents;
        contents.add(memory_);
        MemoryWriter tar;
        layerstore::write_layer(delta, contents, tar);
        tars_.push_back(std::make_unique<std::string>(tar.take()));
        const std::string* bytes = tars_.back().get();
        return {"layer",
                [this, bytes] {
                    ++reads;
                    return std::make_unique<MemoryReader>(*bytes);
                },
                nullptr};
    }

    std::size_t reads = 0;

  private:
    std::shared_ptr<layerstore::MemoryContents> memory_ = std::make_shared<layerstore::MemoryContents>();
    std::vector<std::unique_ptr<std::string>> tars_;
};

// "/a: mode: 0644 | 0755", one line for each finding.
std::string compare(std::vector<ComparedLayer> before, std::vector<ComparedLayer> after,
                    const layerstore::Tree* below) {
    const TemporaryDirectory scratch = TemporaryDirectory::create();
    std::string text;
    ComparisonOptions options;
    options.below = below;
    for (const FileDifference& file : compare_stacks(before, after, scratch.directory(), options))
        for (const Finding& finding : file.findings.list)
            text += fmt::format("{}: {}: {} | {}\n", file.path.absolute(), about(finding.kind).name, finding.before,
                                finding.after);
    return text;
}

TEST_CASE("the last layer of a stack that touches a path counts") {
    Layers layers;
    const layerstore::Tree nothing;
    CHECK(compare({layers.layer({layers.file("a", "1\n")}), layers.layer({layers.file("a", "same")})},
                  {layers.layer({layers.file("a", "same")})}, &nothing)
              .empty());
    CHECK(compare({layers.layer({layers.file("a", "pid 1\n")})}, {layers.layer({layers.file("a", "pid 2\n", 0755)})},
                  &nothing) == "/a: mode: 0644 | 0755\n/a: number: 1 | 2\n");
}

TEST_CASE("what one stack takes away is absent, with all that lay below") {
    Layers layers;
    const layerstore::Tree base = layerstore::apply(
        {}, TreeDelta::build({layers.directory("d"), layers.file("d/x", "1"), layers.file("e", "2")}));
    CHECK(compare({layers.layer({layers.gone("d")})}, {}, &base) ==
          "/d: presence: absent | directory\n/d/x: presence: absent | file, 1 B\n");
    CHECK(compare({layers.layer({layers.file("e", "2")})}, {}, &base).empty());
}

TEST_CASE("without what lies below, a path that one stack alone touches is called that") {
    Layers layers;
    CHECK(compare({layers.layer({layers.file("a", "1")})}, {}, nullptr) ==
          "/a: presence: file, 1 B | as in the layers below\n");
    CHECK(compare({layers.layer({layers.gone("a")})}, {}, nullptr) ==
          "/a: presence: absent | as in the layers below\n");
}

TEST_CASE("without what lies below, directories on the way to a file are none that one stack alone has") {
    Layers layers;
    CHECK(compare({layers.layer({layers.directory("d"), layers.file("d/a", "1")})}, {}, nullptr) ==
          "/d/a: presence: file, 1 B | as in the layers below\n");
    CHECK(compare({layers.layer({layers.directory("d")})}, {}, nullptr) ==
          "/d: presence: directory | as in the layers below\n");
}

TEST_CASE("a layer whose delta is known is read only for files that differ") {
    Layers layers;
    const layerstore::Tree nothing;
    std::vector<ComparedLayer> before{layers.layer({layers.file("a", "1")})};
    std::vector<ComparedLayer> after{layers.layer({layers.file("a", "1")})};
    const TemporaryDirectory scratch = TemporaryDirectory::create();
    ComparisonOptions options;
    options.below = &nothing;
    CHECK(compare_stacks(before, after, scratch.directory(), options).empty());
    CHECK(layers.reads == 2);
    CHECK(compare_stacks(before, after, scratch.directory(), options).empty());
    CHECK(layers.reads == 2);
}

TEST_CASE("hard links that differ are said, and one to a lower layer can be read") {
    Layers layers;
    const layerstore::Tree nothing;
    const Change a = layers.file("a", "1"), b = layers.file("b", "1");
    CHECK(compare({layers.layer({a, b})}, {layers.layer({a, b}, {{a.path, b.path}})}, &nothing) ==
          "/a: hard-links:  | \n/b: hard-links:  | \n");
}

}  // namespace
}  // namespace imgbuild::builder
