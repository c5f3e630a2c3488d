// SPDX-License-Identifier: Apache-2.0
#include "builder/plan/merge_plans.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.h"
#include "builder/plan/planner.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

// Has an image for each platform, with its name in the digest.
class EveryPlatform final : public ImageResolver {
  public:
    std::shared_ptr<const ResolvedImage> resolve(const std::string& reference,
                                                 const layerstore::Platform& platform) override {
        auto image = std::make_shared<ResolvedImage>();
        image->name = reference;
        image->image.config.platform = platform;
        image->image.descriptor.digest = Sha256::of(reference + platform.text());
        return image;
    }
    std::shared_ptr<const ResolvedImage> resolve_layout(const std::string& place,
                                                        const layerstore::Platform& platform) override {
        return resolve(place, platform);
    }
};

BuildPlan merged(const std::string& text, const std::vector<std::string>& platforms) {
    const parser::Source source("Buildfile", text);
    const parser::ParseResult parsed = parser::parse_buildfile(source);
    REQUIRE(parsed.ok());
    EveryPlatform resolver;
    PlanRequest request{.buildfile = parsed.buildfile, .resolver = resolver};
    request.build_platform = layerstore::Platform::parse("linux/amd64");
    request.contexts[""] = {NamedContext::Kind::files, "."};
    std::vector<BuildPlan> plans;
    for (const std::string& platform : platforms) {
        request.platform = layerstore::Platform::parse(platform);
        PlanResult planned = make_plan(request);
        REQUIRE(planned.plan);
        plans.push_back(std::move(*planned.plan));
    }
    return merge_plans(std::move(plans));
}

std::vector<std::string> steps_of(const BuildPlan& plan) {
    std::vector<std::string> steps;
    for (const PlanNode& node : plan.nodes)
        if (node.number != 0) steps.push_back(node.platform + " " + node.label.substr(0, node.label.find('@')));
    return steps;
}

}  // namespace

TEST_CASE("a stage on the build's platform is planned once, unless it reads something of the target's") {
    const std::string text =
        "FROM --platform=$BUILDPLATFORM base AS tools\nRUN make tools\n"
        "FROM --platform=$BUILDPLATFORM tools AS build\nARG TARGETARCH\nRUN make $TARGETARCH\n"
        "FROM base\nCOPY --from=build /out /\n";
    const BuildPlan plan = merged(text, {"linux/amd64", "linux/arm64"});
    CHECK(steps_of(plan) == std::vector<std::string>{"linux/amd64 FROM base", "linux/amd64 RUN make tools",
                                                     "linux/amd64 RUN make $TARGETARCH",
                                                     "linux/amd64 COPY --from=build /out /",
                                                     "linux/amd64->arm64 RUN make $TARGETARCH", "linux/arm64 FROM base",
                                                     "linux/arm64 COPY --from=build /out /"});
    REQUIRE(plan.images.size() == 2);
    CHECK(plan.images[0].platform.text() == "linux/amd64");
    CHECK(plan.images[1].config.platform.text() == "linux/arm64");
    CHECK(plan.images[0].root != plan.images[1].root);
}

TEST_CASE("the inputs of a node stand before it in a merged plan") {
    const BuildPlan plan =
        merged("FROM base AS a\nCOPY x /\nFROM base\nCOPY --from=a /x /\nRUN --mount=target=/m cat\n",
               {"linux/riscv64", "linux/amd64", "linux/arm/v7"});
    REQUIRE(plan.images.size() == 3);
    for (NodeId id = 0; id < plan.nodes.size(); ++id)
        CHECK(std::ranges::all_of(plan.nodes[id].inputs, [&](NodeId input) { return input < id; }));
}

TEST_CASE("a context is read once, for what any of the platforms wants of it") {
    const BuildPlan plan = merged("FROM scratch\nARG TARGETARCH\nCOPY bin-$TARGETARCH /\n", {"amd64", "arm64"});
    std::vector<ImagePath> wanted;
    for (const PlanNode& node : plan.nodes)
        if (const auto* files = std::get_if<ContextFiles>(&node.operation)) {
            CHECK(wanted.empty());
            wanted = files->wanted;
        }
    CHECK(wanted == std::vector<ImagePath>{ImagePath::clean("bin-amd64"), ImagePath::clean("bin-arm64")});
}

TEST_CASE("a step that is the same for several platforms is the step of none") {
    const BuildPlan plan = merged("FROM scratch\nCOPY a /\n", {"amd64", "arm64", "riscv64"});
    CHECK(steps_of(plan) == std::vector<std::string>{" COPY a /"});
    CHECK(plan.images[0].root == plan.images[2].root);
}
