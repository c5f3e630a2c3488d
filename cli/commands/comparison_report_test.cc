// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/comparison_report.h"

#include <doctest/doctest.h>

#include "cli/commands/comparison_page.h"

using namespace imgbuild;
using namespace imgbuild::cli;

namespace {

using Presence = builder::EntryState::Presence;

ImageSide side(const std::string& name, const std::vector<std::string>& layers, const std::string& extra) {
    ImageSide side;
    side.name = name;
    layerstore::Image& image = side.image;
    image.config_bytes = R"({"architecture":"amd64","config":{"Env":[")" + extra + R"("]},"rootfs":{}})";
    image.manifest_bytes = R"({"schemaVersion":2,"config":{},"layers":[]})";
    image.descriptor.digest = Sha256::of(name);
    for (const std::string& layer : layers) {
        image.config.diff_ids.push_back({Sha256::of(layer)});
        layerstore::Descriptor blob;
        blob.media_type = std::string(layerstore::media_type::oci_layer);
        blob.digest = Sha256::of("blob of " + layer);
        blob.size = 1024;
        image.manifest.layers.push_back(std::move(blob));
        side.origins.push_back({"RUN make " + layer, "Buildfile:" + std::to_string(side.origins.size() + 1)});
    }
    return side;
}

builder::FileDifference file(const std::string& path, Presence before, Presence after, std::size_t layer) {
    builder::FileDifference difference;
    difference.path = ImagePath::clean(path);
    difference.before.presence = before;
    difference.after.presence = after;
    if (before == Presence::present) difference.before.layer = layer;
    if (after == Presence::present) difference.after.layer = layer;
    difference.before.entry.size = 12;
    difference.after.entry.size = 14;
    return difference;
}

ImageComparison sample() {
    ImageComparison comparison;
    comparison.layers = {{0, 0, true, true}, {1, 1, false, false}};
    comparison.files = {file("/<b>", Presence::present, Presence::present, 1),
                        file("/new", Presence::absent, Presence::present, 1)};
    comparison.files[0].findings = {{{builder::DifferenceKind::time, "line 3", "06:29:27", "06:30:01"}}, 2};
    comparison.files[1].findings.list = {{builder::DifferenceKind::presence, "", "absent", "file, 14 B"}};
    comparison.config = {{"config.Env", Json::array({"A=1"}), Json::array({"A=<2>"})}};
    return comparison;
}

}  // namespace

TEST_CASE("diff says files, then documents, then how much is shared") {
    const ImageSide before = side("one", {"a", "b"}, "A=1"), after = side("two", {"a", "c"}, "A=2");
    const ImageComparison comparison = sample();
    CHECK(
        diff_text({before, after, comparison}) ==
        "~ /<b>  12 B -> 14 B\n    time: line 3: 06:29:27 | 06:30:01\n    and 2 more\n+ /new  14 B\n"
        "config.Env:\n  [\"A=1\"]\n  [\"A=\\u003c2\\u003e\"]\n"
        "2 paths differ; layers: 1 shared (1.0 KiB), 1 only in the first (1.0 KiB), 1 only in the second (1.0 KiB)\n");
}

TEST_CASE("verify says layer, step and line, file, kind with both values, and remedy") {
    const ImageSide before = side("one", {"a", "b"}, "A=1"), after = side("two", {"a", "c"}, "A=1");
    ImageComparison comparison = sample();
    comparison.files.pop_back();
    comparison.config.clear();
    CHECK(cause_text({before, after, comparison}) ==
          "layer 2 of 2: RUN make c (Buildfile:2)\n"
          "  /<b>: time: a date or a time in the content\n"
          "      line 3: 06:29:27 | 06:30:01\n"
          "      and 2 more\n"
          "      remedy: let the tool take SOURCE_DATE_EPOCH, or leave the time out\n");
}

TEST_CASE("the page escapes what images are called and hold") {
    const ImageSide before = side("one", {"a", "b"}, "A=1"), after = side("two", {"a", "c"}, "A=2");
    const ImageComparison comparison = sample();
    const std::string page =
        comparison_page({.title = "<script>", .verdict = "not equal", .is_good = false, .facts = {{"note", "a&b"}}},
                        {{before, after, comparison}});
    CHECK(page.find("<h1>&lt;script&gt;</h1>") != std::string::npos);
    CHECK(page.find("<code>/&lt;b&gt;</code>") != std::string::npos);
    CHECK(page.find("a&amp;b") != std::string::npos);
    CHECK(page.find("/<b>") == std::string::npos);
    CHECK(page.find("<dt>Layers</dt><dd>1 shared (1.0 KiB)") != std::string::npos);
}
