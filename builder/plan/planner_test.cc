// SPDX-License-Identifier: Apache-2.0
#include "builder/plan/planner.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/test_support.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

// Knows the image "base" and the layout "/layout", and counts how often it was asked.
class FakeResolver final : public ImageResolver {
  public:
    std::shared_ptr<const ResolvedImage> resolve(const std::string& reference, const layerstore::Platform&) override {
        ++asked;
        if (reference != "base") throw Error(ErrorKind::unavailable, reference + ": nobody has it");
        return image("base", config);
    }
    std::shared_ptr<const ResolvedImage> resolve_layout(const std::string& place,
                                                        const layerstore::Platform&) override {
        return image(place, config);
    }

    layerstore::ImageConfig config = [] {
        layerstore::ImageConfig base;
        base.platform = layerstore::Platform::parse("linux/amd64");
        base.environment = {"COLOUR=green", "PATH=/bin"};
        base.working_directory = "/base";
        base.command = std::vector<std::string>{"from-base"};
        base.history.push_back({.created_by = "made the base"});
        return base;
    }();
    int asked = 0;

  private:
    static std::shared_ptr<const ResolvedImage> image(const std::string& name, const layerstore::ImageConfig& config) {
        auto image = std::make_shared<ResolvedImage>();
        image->name = name;
        image->image.config = config;
        image->image.descriptor.digest = Sha256::of(name);
        return image;
    }
};

struct Planned {
    FakeResolver resolver;
    PlanResult result;

    const BuildPlan& plan() const {
        REQUIRE_MESSAGE(result.plan, (result.diagnostics.empty() ? "no plan" : result.diagnostics[0].message));
        return *result.plan;
    }
    template <class Kind>
    std::vector<const Kind*> all() const {
        std::vector<const Kind*> found;
        for (const PlanNode& node : plan().nodes)
            if (auto* kind = std::get_if<Kind>(&node.operation)) found.push_back(kind);
        return found;
    }
    std::vector<std::string> history() const {
        std::vector<std::string> lines;
        for (const auto& entry : plan().images.at(0).config.history) lines.push_back(entry.created_by);
        return lines;
    }
    std::string first_error() const {
        REQUIRE(result.diagnostics.has_errors());
        return result.diagnostics[0].message;
    }
};

using Change = std::function<void(PlanRequest&)>;

Planned planned(
    const std::string& text, const Change& change = [](PlanRequest&) {}) {
    parser::Source source("Buildfile", text);
    parser::ParseResult parsed = parser::parse_buildfile(source);
    REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.render(source));
    Planned planned;
    PlanRequest request{.buildfile = parsed.buildfile, .resolver = planned.resolver};
    request.platform = request.build_platform = layerstore::Platform::parse("linux/amd64");
    request.contexts[""] = {NamedContext::Kind::files, "."};
    change(request);
    planned.result = make_plan(request);
    return planned;
}

}  // namespace

TEST_CASE("only what the target needs is planned, and nobody is asked for the base of the rest") {
    Planned all =
        planned("FROM base AS a\nRUN one\nFROM missing AS unused\nRUN two\nFROM scratch\nCOPY --from=a /x /x\n");
    CHECK(all.all<RunCommand>().size() == 1);
    CHECK(all.resolver.asked == 1);
    Planned first = planned("FROM scratch AS a\nCOPY x /x\nFROM a\nCOPY y /y\n", [](auto& r) { r.target = "A"; });
    CHECK(first.all<EditFiles>().size() == 1);
}

TEST_CASE("what is kept of a node has names of variables where its label has their values") {
    const Planned file =
        planned("ARG BASE=base\nFROM $BASE\nARG TOKEN=secret\nENV MODE=fast\nCOPY $TOKEN /$MODE/\nRUN echo $TOKEN\n");
    std::vector<std::string> labels, written;
    for (const PlanNode& node : file.plan().nodes) {
        labels.push_back(node.label.substr(0, node.label.find('@')));
        written.push_back(node.written.substr(0, node.written.find('@')));
    }
    CHECK(labels == std::vector<std::string>{"FROM base", "context", "COPY secret /fast/", "RUN echo $TOKEN"});
    CHECK(written == std::vector<std::string>{"FROM $BASE", "", "COPY $TOKEN /$MODE/", "RUN echo $TOKEN"});
}

TEST_CASE("a RUN knows which of its variables an ARG gave") {
    const auto arguments = [](const std::string& text) {
        return planned("FROM base\n" + text + "RUN x\n").all<RunCommand>().at(0)->build_arguments;
    };
    using Names = std::vector<std::string>;
    CHECK(arguments("ENV MODE=fast\n").empty());
    CHECK(arguments("ARG TOKEN=1\nENV MODE=$TOKEN\n") == Names{"TOKEN"});
    CHECK(arguments("ARG TOKEN=1\nENV TOKEN=constant\n").empty());
    CHECK(arguments("ARG TOKEN\n").empty());
}

TEST_CASE("the inputs of a node stand before it") {
    Planned file = planned(
        "FROM base AS a\nRUN one\nFROM a AS b\nCOPY --from=a /x /x\nFROM b\n"
        "RUN --mount=type=bind,from=a,target=/m two\n");
    const auto& nodes = file.plan().nodes;
    for (NodeId id = 0; id < nodes.size(); ++id)
        for (NodeId input : nodes[id].inputs) CHECK(input < id);
}

TEST_CASE("a base that nobody has is an error with the stage in it") {
    try {
        planned("FROM none AS first\n");
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.full_message() == "FROM in stage first: none: nobody has it");
    }
}

TEST_CASE("variables come from the base, from ENV and from ARG, the later one wins") {
    Planned file = planned("ARG G=global\nFROM base\nARG G\nENV A=$COLOUR-$G\nARG A=late\nWORKDIR /$A\nRUN x\n");
    const RunCommand& run = *file.all<RunCommand>().front();
    CHECK(run.environment == std::vector<std::string>{"COLOUR=green", "PATH=/bin", "G=global", "A=late"});
    CHECK(run.working_directory.bytes() == "/late");
    CHECK(file.plan().images.at(0).config.find_environment("A") == "green-global");
    CHECK(file.history().back() == "RUN |2 G=global A=late /bin/sh -c x # buildkit");
}

TEST_CASE("a build argument replaces the default, also by an empty value, and a required one is then not missing") {
    auto give = [](std::string value) { return [value](PlanRequest& r) { r.build_args["N"] = value; }; };
    const std::string text = "FROM base\nARG N=${M:?not-given}\nRUN x\n";
    CHECK(planned(text, give("")).all<RunCommand>().front()->environment.back() == "N=");
    CHECK(planned(text).first_error().find("not-given") != std::string::npos);
}

TEST_CASE("a global ARG may give the time of files, unless a build argument does") {
    const std::string text = "ARG BASE=16\nARG SOURCE_DATE_EPOCH=${BASE}00\nFROM base\n";
    CHECK(planned(text).result.default_epoch == "1600");
    CHECK_FALSE(planned(text, [](PlanRequest& r) { r.build_args["SOURCE_DATE_EPOCH"] = "5"; }).result.default_epoch);
    CHECK_FALSE(planned("ARG SOURCE_DATE_EPOCH\nFROM base\n").result.default_epoch);
    CHECK_FALSE(planned("FROM base\nARG SOURCE_DATE_EPOCH=5\n").result.default_epoch);
}

TEST_CASE("proxies are passed without being declared, and are part of the key only when they are") {
    auto proxy = [](PlanRequest& r) { r.build_args["http_proxy"] = "http://proxy"; };
    CHECK(planned("FROM base\nRUN x\n", proxy).all<RunCommand>().front()->unkeyed ==
          std::vector<std::string>{"HTTP_PROXY=http://proxy", "http_proxy=http://proxy"});
    Planned declared = planned("FROM base\nARG http_proxy\nRUN x\n", proxy);
    CHECK(declared.all<RunCommand>().front()->unkeyed == std::vector<std::string>{"HTTP_PROXY=http://proxy"});
    CHECK(declared.all<RunCommand>().front()->environment.back() == "http_proxy=http://proxy");
}

TEST_CASE("ENTRYPOINT takes the base's CMD away, but not one of its own stage before it") {
    CHECK_FALSE(planned("FROM base\nENTRYPOINT [\"a\"]\n").plan().images.at(0).config.command);
    CHECK(planned("FROM base\nCMD [\"b\"]\nENTRYPOINT [\"a\"]\n").plan().images.at(0).config.command ==
          std::vector<std::string>{"b"});
}

TEST_CASE("history has BuildKit's strings") {
    Planned file = planned(
        "FROM base\nENV A=1 B=\"2 3\"\nLABEL l=v\nEXPOSE 443 80-81/udp\nVOLUME /b /a\nUSER me\nSTOPSIGNAL INT\n"
        "SHELL [\"/bin/ash\", \"-c\"]\nHEALTHCHECK --interval=90s CMD true\nWORKDIR sub\nCOPY --chown=1:2 a b ./d/\n"
        "CMD echo \"hi\"\n");
    CHECK(file.history() ==
          std::vector<std::string>{
              "made the base", "ENV A=1 B=2 3", "LABEL l=v", "EXPOSE [443/tcp 80/udp 81/udp]", "VOLUME [/b /a]",
              "USER me", "STOPSIGNAL INT", "SHELL [/bin/ash -c]",
              "HEALTHCHECK {Test:[CMD-SHELL true] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
              "WORKDIR /base/sub", "COPY --chown=1:2 a b ./d/ # buildkit",
              "CMD [\"/bin/ash\" \"-c\" \"echo \\\"hi\\\"\"]"});
    CHECK(file.plan().images.at(0).base_history == 1);
}

TEST_CASE("as many entries of the history have a layer as the plan has layers above its base") {
    Planned file = planned("FROM base\nWORKDIR /\nWORKDIR /a\nRUN x\nCOPY a b\nENV A=1\n");
    std::size_t layered = 0;
    for (const auto& entry : file.plan().images.at(0).config.history) layered += entry.empty_layer ? 0 : 1;
    CHECK(layered == file.plan().images.at(0).layers.size());
}

TEST_CASE("a destination ends in a slash, is the working directory, or may be a file") {
    auto destination = [](const std::string& written) {
        Planned file = planned("FROM base\nCOPY a " + written + "\n");
        return std::get<TransferFiles>(file.all<EditFiles>().front()->edit);
    };
    CHECK(destination("x").destination.bytes() == "/base/x");
    CHECK_FALSE(destination("x").into_directory);
    CHECK(destination("/x/").into_directory);
    CHECK(destination(".").destination.bytes() == "/base");
    CHECK(destination(".").into_directory);
    CHECK(destination("../../../x/.").destination.bytes() == "/x");
}

TEST_CASE("a context is looked through only where a source can lie") {
    Planned file =
        planned("FROM base\nCOPY a/b ../c /x/\nCOPY src/*.c /y/\nRUN --mount=type=bind,source=m,target=/m x\n");
    CHECK(file.all<ContextFiles>().size() == 1);
    std::vector<std::string> wanted;
    for (const ImagePath& path : file.all<ContextFiles>().front()->wanted) wanted.push_back(path.bytes());
    CHECK(wanted == std::vector<std::string>{"/a/b", "/c", "/src", "/m"});
}

TEST_CASE("a named context takes the place of an image, of a stage and of --from") {
    auto layout = [](PlanRequest& r) { r.contexts["mine"] = {NamedContext::Kind::layout, "/layout"}; };
    CHECK(planned("FROM mine:latest\n", layout).all<FromImage>().front()->image->name == "/layout");
    Planned stage = planned("FROM missing AS mine\nRUN x\nFROM base\nCOPY --from=mine /a /a\n", layout);
    CHECK(stage.all<RunCommand>().empty());
    Planned folder = planned("FROM base\nCOPY --from=other a /a\n", [](auto& r) {
        r.contexts["other"] = {NamedContext::Kind::files, "/other"};
    });
    CHECK(folder.all<ContextFiles>().front()->context == "other");
}

TEST_CASE("a named context that is the image scratch is nothing, and nobody is asked for it") {
    auto nothing = [](PlanRequest& r) { r.contexts["mine"] = {NamedContext::Kind::image, "scratch"}; };
    Planned base = planned("FROM mine\nCOPY a /a\n", nothing);
    CHECK(base.all<FromScratch>().size() == 1);
    CHECK(base.plan().images.front().config.working_directory == "/");
    Planned source = planned("FROM scratch\nCOPY --from=mine a* /a/\n", nothing);
    CHECK(source.all<FromScratch>().size() == 2);
    CHECK(base.resolver.asked + source.resolver.asked == 0);
}

TEST_CASE("triggers of the base run before the stage and are gone from the result") {
    Planned file = planned(
        "FROM scratch AS lib\nCOPY l /l\nFROM scratch AS parent\nONBUILD COPY --from=lib /l /m\n"
        "ONBUILD ENV T=1\nFROM parent\nENV U=$T\n");
    CHECK(file.plan().images.at(0).config.find_environment("U") == "1");
    CHECK(file.plan().images.at(0).config.on_build.empty());
    CHECK(file.all<EditFiles>().size() == 2);
}

TEST_CASE("the host's network and full privileges need to be allowed") {
    CHECK(planned("FROM base\nRUN --network=host x\n").first_error() == "entitlement network.host is not allowed");
    CHECK(planned("FROM base\nRUN --security=insecure x\n").first_error() ==
          "entitlement security.insecure is not allowed");
    CHECK(planned("FROM base\nRUN --network=host x\n", [](auto& r) { r.allow_host_network = true; }).result.plan);
}

TEST_CASE("ADD of a URL fetches a file of that name") {
    Planned file = planned("FROM base\nADD http://host/dir/file.tgz?x=1 /d/\n");
    CHECK(file.all<FetchUrl>().front()->url == "http://host/dir/file.tgz?x=1");
    const auto& files = std::get<TransferFiles>(file.all<EditFiles>().front()->edit);
    CHECK(files.sources.front().pattern == "file.tgz");
    CHECK_FALSE(files.sources.front().unpack);
}

TEST_CASE("ADD of a repository brings the content of a commit's directory") {
    Planned file = planned("FROM base\nARG REF=v1\nADD --checksum=AB12 https://host/r.git#${REF}:sub /d/\n");
    const FetchGit& fetch = *file.all<FetchGit>().front();
    CHECK(fetch.source.remote == "https://host/r.git");
    CHECK(fetch.source.reference == "v1");
    CHECK(fetch.source.directory == "sub");
    CHECK(fetch.source.checksum == "ab12");
    CHECK_FALSE(fetch.keep_git_dir);
    CHECK(std::get<TransferFiles>(file.all<EditFiles>().front()->edit).sources.front().pattern.empty());
    CHECK(planned("FROM base\nADD --keep-git-dir git@host:r.git /d/\n").all<FetchGit>().front()->keep_git_dir);
}

TEST_CASE("flags of ADD and the address of a repository must agree") {
    const auto error = [](const std::string& add) { return planned("FROM base\n" + add + "\n").first_error(); };
    CHECK(error("ADD --keep-git-dir=false https://h/r.git?keep-git-dir=true /d/") ==
          "inconsistent keep-git-dir configuration");
    CHECK(error("ADD --checksum=ab https://h/r.git?checksum=cd /d/") ==
          "checksum mismatch: the flag and the address differ");
    CHECK(error("ADD https://h/r.git?what=1 /d/") == "ADD: unexpected query \"what\"");
}

TEST_CASE("a named context may stand for a stage above, and for no other") {
    const std::string text =
        "FROM scratch AS a\nCOPY x /x\nFROM base AS b\nCOPY --from=other /x /y\nFROM scratch AS c\n";
    const auto other = [](const std::string& stage) {
        return [stage](PlanRequest& r) {
            r.contexts["other"] = {NamedContext::Kind::stage, stage};
            r.target = "b";
        };
    };
    Planned file = planned(text, other("a"));
    CHECK(file.all<EditFiles>().size() == 2);
    CHECK(file.resolver.asked == 1);
    Planned base = planned("FROM scratch AS a\nCOPY x /x\nENV A=1\nFROM other\n", [](PlanRequest& r) {
        r.contexts["other"] = {NamedContext::Kind::stage, "a"};
    });
    CHECK(base.plan().images.at(0).config.find_environment("A") == "1");
    CHECK(base.resolver.asked == 0);
    CHECK(test::refusal([&] { planned(text, other("c")); }) ==
          "usage: --build-context other=target:c: stage c does not stand above the stage that uses it");
    CHECK(test::refusal([&] { planned(text, other("none")); }) ==
          "not_found: --build-context other=target:none: no such stage");
}

TEST_CASE("beside a URL an ADD still unpacks its local archives, unless it says otherwise for all") {
    const auto unpacked = [](const std::string& flag) {
        Planned file = planned("FROM base\nADD " + flag + "a.tgz http://host/b.tgz /d/\n");
        std::vector<bool> each;
        for (const TransferSource& source : std::get<TransferFiles>(file.all<EditFiles>().front()->edit).sources)
            each.push_back(source.unpack);
        return each;
    };
    CHECK(unpacked("") == std::vector<bool>{true, false});
    CHECK(unpacked("--unpack=true ") == std::vector<bool>{true, true});
    CHECK(unpacked("--unpack=false ") == std::vector<bool>{false, false});
}

TEST_CASE("a build argument that nobody declares is told, with the name that was meant") {
    const auto warnings = [](const std::string& text, std::map<std::string, std::string> build_args,
                             const std::string& target = "") {
        return planned(text,
                       [&](PlanRequest& r) {
                           r.build_args = std::move(build_args);
                           r.target = target;
                       })
            .result.warnings;
    };
    const std::string said = ": no ARG of the stages that are built declares it";
    CHECK(
        warnings("ARG VERSION=1\nFROM base\n", {{"VERSOIN", "2"}, {"OTHER", "3"}}) ==
        std::vector<std::string>{"--build-arg OTHER" + said, "--build-arg VERSOIN" + said + "; did you mean VERSION?"});
    // Declared before the first FROM, in a stage, in the stage below.
    CHECK(warnings("ARG A\nFROM base AS b\nARG B\nFROM b\nARG C\n", {{"A", ""}, {"B", ""}, {"C", ""}}).empty());
    CHECK(warnings("FROM base AS a\nRUN x\nFROM base\nARG B\n", {{"B", "1"}}, "a") ==
          std::vector<std::string>{"--build-arg B" + said});
    CHECK(warnings("FROM base\n", {{"https_proxy", "h"},
                                   {"NO_PROXY", "n"},
                                   {"SOURCE_DATE_EPOCH", "0"},
                                   {"BUILDKIT_INLINE_CACHE", "1"},
                                   {"TARGETARCH", "arm64"}})
              .empty());
}

TEST_CASE("a base for another platform than the one that is built is a warning") {
    Planned file =
        planned("FROM base\n", [](PlanRequest& r) { r.platform = layerstore::Platform::parse("linux/arm64"); });
    REQUIRE(file.result.diagnostics.size() == 1);
    const parser::Diagnostic& warning = file.result.diagnostics[0];
    CHECK(warning.rule == "InvalidBaseImagePlatform");
    CHECK(warning.message ==
          "Base image base was pulled with platform \"linux/amd64\", expected \"linux/arm64\" for current build");
    CHECK(warning.url.empty());
    CHECK(planned("FROM base\n").result.diagnostics.empty());
    CHECK(planned("FROM --platform=linux/amd64 base\n", [](PlanRequest& r) {
              r.platform = layerstore::Platform::parse("linux/arm64");
          }).result.diagnostics.empty());
}

TEST_CASE("steps are numbered within their stage, the base is the first") {
    Planned file = planned("FROM base AS a\nENV X=1\nRUN one\nCOPY a b\n");
    std::vector<std::string> steps;
    for (const PlanNode& node : file.plan().nodes)
        if (node.number)
            steps.push_back(fmt::format("{}/{} {}", node.number, node.step_count, name_of(node.operation)));
    CHECK(steps == std::vector<std::string>{"1/3 FromImage", "2/3 RunCommand", "3/3 EditFiles"});
}

TEST_CASE("all errors of a plan come in one go") {
    Planned file = planned("FROM base\nEXPOSE ${A:-x}\nSTOPSIGNAL ${A:-y}\n");
    CHECK(file.result.diagnostics.error_count() == 2);
    CHECK_FALSE(file.result.plan);
}

TEST_CASE("the arguments of a plan are those of planned stages and the global ones that these or a FROM read") {
    Planned file = planned(
        "ARG BASE=base\n"
        "ARG UNUSED=${BASE}\n"
        "# TAIL is read by way of another\n"
        "ARG TAIL=x\n"
        "ARG NAME=${TAIL}\n"
        "ARG NAME=${NAME}y\n"
        "FROM ${BASE} AS other\n"
        "ARG OTHER\n"
        "FROM ${BASE}\n"
        "ARG NAME\n"
        "ARG OWN=1\n"
        "ARG OWN=${OWN}2\n");
    const std::vector<PlannedArgument>& arguments = file.plan().arguments;
    REQUIRE(arguments.size() == 4);
    CHECK(arguments[0].name == "BASE");
    CHECK(arguments[1].name == "TAIL");
    CHECK(arguments[1].description == "is read by way of another");
    CHECK(arguments[2].name == "NAME");
    CHECK(arguments[2].value == "xy");
    CHECK(arguments[3].name == "OWN");
    CHECK(arguments[3].value == "12");
}

TEST_CASE("a scan is one more command that sees the result, and on request stages and the context") {
    const std::string file = "FROM base AS a\nRUN one\nFROM scratch AS b\nCOPY --from=a /x /x\nCOPY f /f\n";
    const auto scan = [&](std::map<std::string, std::string> arguments) {
        Planned all = planned(file, [&](auto& request) {
            request.scanner = "base";
            request.build_args = std::move(arguments);
        });
        REQUIRE(all.plan().images[0].scan);
        return all;
    };
    const auto targets = [](const Planned& all) {
        std::string text;
        for (const RunMount& mount : all.all<RunCommand>().back()->mounts) text += mount.target.absolute() + " ";
        return text;
    };
    const Planned plain = scan({});
    const RunCommand& command = *plain.all<RunCommand>().back();
    CHECK(command.arguments == std::vector<std::string>{"from-base"});
    CHECK(command.network == parser::RunNetwork::none);
    CHECK(std::ranges::count(command.environment, "BUILDKIT_SCAN_SOURCE=/run/src/core/sbom") == 1);
    CHECK(targets(plain) == "/run/src/core/sbom ");
    const PlanNode& node = plain.plan().nodes[*plain.plan().images[0].scan];
    CHECK(node.inputs.at(1) == plain.plan().images[0].root);
    CHECK(plain.plan().images[0].layers.size() == 2);
    CHECK(targets(scan({{"BUILDKIT_SBOM_SCAN_STAGE", "A"}})) == "/run/src/core/sbom /run/src/extras/sbom-a ");
    CHECK(targets(scan({{"BUILDKIT_SBOM_SCAN_STAGE", "no-such"}})) == "/run/src/core/sbom ");
    CHECK(targets(scan({{"BUILDKIT_SBOM_SCAN_CONTEXT", "true"}})) ==
          "/run/src/core/sbom /run/src/extras/sbom-context ");
    CHECK_THROWS_WITH_AS(planned(file, [](auto& request) { request.scanner = "none"; }), "--sbom: none: nobody has it",
                         Error);
}
