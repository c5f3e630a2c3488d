// SPDX-License-Identifier: Apache-2.0
#include "builder/attest/provenance.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "builder/plan/planner.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using layerstore::Platform;

namespace {

class AnyImage final : public ImageResolver {
  public:
    std::shared_ptr<const ResolvedImage> resolve(const std::string& reference, const Platform& platform) override {
        auto image = std::make_shared<ResolvedImage>();
        image->name = reference;
        image->image.config.platform = platform;
        image->image.descriptor.digest = Sha256::of(reference);
        image->image.manifest.layers.resize(2);
        return image;
    }
    std::shared_ptr<const ResolvedImage> resolve_layout(const std::string& place, const Platform& platform) override {
        return resolve("oci-layout://" + place, platform);
    }
};

const std::string commit(40, 'c');

// A plan with one of everything that provenance tells.
struct Build {
    parser::Source source{"/home/somebody/Buildfile",
                          "FROM base AS tools\n"
                          "RUN --network=none --mount=type=secret,id=key,required \\\n  one\n"
                          "FROM lay\n"
                          "ARG COLOUR\n"
                          "ADD https://me:pw@host/f /f\n"
                          "ADD https://host/x.git#main /x\n"
                          "COPY --from=tools /a /a\n"
                          "COPY . /b\n"
                          "RUN --mount=type=ssh --mount=type=secret,id=key echo $COLOUR\n"};
    AnyImage resolver;
    PlanResult planned;
    std::vector<std::string> revisions;

    Build() {
        parser::ParseResult parsed = parser::parse_buildfile(source);
        REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.render(source));
        PlanRequest request{.buildfile = parsed.buildfile, .resolver = resolver};
        request.platform = request.build_platform = Platform::parse("linux/amd64");
        request.contexts[""] = {NamedContext::Kind::files, "."};
        request.contexts["lay"] = {NamedContext::Kind::layout, "/secret/place"};
        request.build_args = {{"COLOUR", "green"}};
        planned = make_plan(request);
        REQUIRE_MESSAGE(planned.plan, planned.diagnostics.render(source));
        for (const PlanNode& node : planned.plan->nodes)
            revisions.push_back(std::holds_alternative<FetchUrl>(node.operation)   ? Sha256::of("f").text()
                                : std::holds_alternative<FetchGit>(node.operation) ? commit
                                                                                   : "");
    }

    BuildFacts facts() const {
        return {.plan = *planned.plan,
                .source = source,
                .buildfile = "Buildfile",
                .contexts = {{"", {}}},
                .layouts = {{"oci-layout:///secret/place", "lay"}},
                .target = "",
                .arguments = {{"build-arg:COLOUR", "green"}},
                .revisions = revisions,
                .builder_platform = Platform::parse("linux/amd64"),
                .times = {}};
    }
    Json statement(const ProvenanceOptions& options = {}) const { return statement(facts(), options); }
    static Json statement(const BuildFacts& facts, const ProvenanceOptions& options = {}) {
        std::vector<layerstore::Descriptor> layers(10);
        for (std::size_t i = 0; i < layers.size(); ++i) layers[i].size = i;
        return parse_json(make_provenance(facts, 0, {{"_", Sha256::of("image")}}, layers, options).bytes, "statement");
    }
};

std::vector<std::string> uris(const Json& materials) {
    std::vector<std::string> list;
    for (const Json& material : materials) list.push_back(material["uri"]);
    return list;
}

}  // namespace

TEST_CASE("provenance names everything from elsewhere, by digest or commit, and no path of this machine") {
    const Build build;
    const Json statement = build.statement();
    CHECK(statement["_type"] == "https://in-toto.io/Statement/v1");
    CHECK(statement["predicateType"] == "https://slsa.dev/provenance/v1");
    CHECK(statement["subject"][0]["digest"]["sha256"] == Sha256::of("image").hex());
    const Json& materials = statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    std::vector<std::string> found = uris(materials);
    std::sort(found.begin(), found.end());
    CHECK(found == std::vector<std::string>{"https://host/f", "https://host/x.git#main",
                                            "pkg:docker/base@latest?platform=linux%2Famd64",
                                            "pkg:oci/lay?platform=linux%2Famd64"});
    for (const Json& material : materials) {
        if (material["uri"] == "https://host/f") CHECK(material["digest"]["sha256"] == Sha256::of("f").hex());
        if (material["uri"] == "https://host/x.git#main") CHECK(material["digest"]["sha1"] == commit);
    }
    CHECK(statement.dump().find("/secret/place") == std::string::npos);
    CHECK(statement.dump().find("/home/somebody") == std::string::npos);
}

TEST_CASE("secrets are told by id, optional unless one command requires them") {
    const Json request = Build().statement()["predicate"]["buildDefinition"]["externalParameters"]["request"];
    CHECK(request["secrets"] == Json::parse(R"([{"id":"key"}])"));
    CHECK(request["ssh"] == Json::parse(R"([{"id":"default","optional":true}])"));
    CHECK(request["args"] == Json::parse(R"({"build-arg:COLOUR":"green"})"));
    CHECK(request["locals"] == Json::parse(R"([{"name":"context"}])"));
}

TEST_CASE("the small form has no arguments, ids, steps or source") {
    ProvenanceOptions options;
    options.mode = ProvenanceOptions::Mode::min;
    const Json predicate = Build().statement(options)["predicate"];
    const Json& definition = predicate["buildDefinition"];
    CHECK_FALSE(definition["internalParameters"].contains("buildConfig"));
    const Json& request = definition["externalParameters"]["request"];
    for (const char* member : {"args", "secrets", "ssh"}) CHECK_FALSE(request.contains(member));
    CHECK_FALSE(predicate["runDetails"]["metadata"].contains("imgbuild_metadata"));
    CHECK(predicate["runDetails"]["metadata"]["imgbuild_completeness"]["request"] == false);
    CHECK(definition["resolvedDependencies"].size() == 4);
}

TEST_CASE("a step says its lines, a line its steps, and each step its layers") {
    const Json predicate = Build().statement()["predicate"];
    const Json& own = predicate["runDetails"]["metadata"]["imgbuild_metadata"];
    const Json& steps = predicate["buildDefinition"]["internalParameters"]["buildConfig"]["steps"];
    std::map<std::string, std::string> labels;
    for (const Json& step : steps) labels[step["id"]] = step["label"];
    const Json& source = own["source"];
    CHECK(source["lines"]["2"] == source["lines"]["3"]);
    const std::string run = source["lines"]["3"][0];
    CHECK(labels.at(run).starts_with("RUN --network=none"));
    CHECK(source["locations"][run]["locations"][0]["ranges"][0].dump() == R"({"start":{"line":2},"end":{"line":3}})");
    CHECK(source["infos"][0]["filename"] == "Buildfile");
    const std::string base = source["lines"]["4"][0];
    CHECK(own["layers"][base].size() == 2);
    const std::string last = source["lines"]["10"][0];
    CHECK(own["layers"][last].size() == 1);
}

TEST_CASE("the older version says the same in its own places") {
    ProvenanceOptions options;
    options.version = ProvenanceOptions::Version::v0_2;
    options.builder_id = "https://builder";
    options.reproducible = true;
    const Json statement = Build().statement(options);
    CHECK(statement["predicateType"] == "https://slsa.dev/provenance/v0.2");
    const Json& predicate = statement["predicate"];
    CHECK(predicate["builder"]["id"] == "https://builder");
    CHECK(predicate["invocation"]["configSource"]["entryPoint"] == "Buildfile");
    CHECK(predicate["invocation"]["parameters"]["args"]["build-arg:COLOUR"] == "green");
    CHECK(predicate["materials"].size() == 4);
    CHECK(predicate["metadata"]["reproducible"] == true);
    CHECK(predicate["metadata"]["completeness"]["materials"] == false);
    CHECK(predicate["buildConfig"]["steps"].is_array());
}

TEST_CASE("a remote context is the source and a material; times stand there on request alone") {
    const Build build;
    BuildFacts facts = build.facts();
    facts.contexts[""] = {"https://host/ctx.git#v1", std::string(64, 'd')};
    const Json plain = Build::statement(facts)["predicate"];
    CHECK(plain["buildDefinition"]["externalParameters"]["configSource"]["digest"]["sha256"] == std::string(64, 'd'));
    CHECK(plain["buildDefinition"]["resolvedDependencies"][0]["uri"] == "https://host/ctx.git#v1");
    CHECK_FALSE(plain["runDetails"]["metadata"].contains("startedOn"));
    facts.times = {"2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z"};
    CHECK(Build::statement(facts)["predicate"]["runDetails"]["metadata"]["finishedOn"] == "2020-01-01T00:00:01Z");
}
