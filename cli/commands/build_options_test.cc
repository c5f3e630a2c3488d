// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/build_options.h"

#include <doctest/doctest.h>

#include "base/atomic_file.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"

namespace imgbuild::cli {
namespace {

using Variables = std::map<std::string, std::string>;

BuildOptions read(std::vector<std::string> arguments, const Variables& environment = {}) {
    arguments.emplace_back(".");
    const auto lookup = [&](const std::string& name) {
        const auto found = environment.find(name);
        return found == environment.end() ? std::nullopt : std::optional(found->second);
    };
    return *read_build_options("build", arguments, lookup);
}

std::string refused(const std::vector<std::string>& arguments, const Variables& environment = {}) {
    return test::refusal([&] { read(arguments, environment); });
}

TEST_CASE("without flags the image goes to the store, for this machine") {
    const BuildOptions options = read({});
    CHECK(options.context == ".");
    REQUIRE(options.outputs.size() == 1);
    CHECK(options.outputs.front().kind == OutputOption::Kind::store);
    CHECK(options.platforms == std::vector{layerstore::Platform::host()});
    CHECK_FALSE(options.makes_index());
    CHECK(options.file_time == layerstore::default_file_time);
    CHECK(options.pull == builder::PullPolicy::missing);
    CHECK(options.solve.jobs == 0);
    CHECK(options.warnings.empty());
}

TEST_CASE("build arguments come from flags, files and the environment, flags before files") {
    const TemporaryDirectory folder = TemporaryDirectory::create();
    write_file_atomically(folder.directory(), "args", "# comment\n\nA=file\n  B=x y\nC\n", Durability::none);
    const BuildOptions options = read({"--build-arg-file", folder.path() + "/args", "--build-arg", "A=flag=1",
                                       "--build-arg", "D", "--build-arg", "E", "--build-arg", "F="},
                                      {{"C", "of C"}, {"D", "of D"}});
    CHECK(options.build_args == Variables{{"A", "flag=1"}, {"B", "x y"}, {"C", "of C"}, {"D", "of D"}, {"F", ""}});
    CHECK(refused({"--build-arg", "=x"}) == "usage: --build-arg: =x: a name is missing");
}

TEST_CASE("SOURCE_DATE_EPOCH is a build argument and the time of files, a flag before the environment") {
    CHECK(read({}, {{"SOURCE_DATE_EPOCH", "5"}}).file_time.seconds == 5);
    CHECK(read({}, {{"SOURCE_DATE_EPOCH", "5"}}).build_args.at("SOURCE_DATE_EPOCH") == "5");
    CHECK(read({"--build-arg", "SOURCE_DATE_EPOCH=7"}, {{"SOURCE_DATE_EPOCH", "5"}}).solve.file_time.seconds == 7);
    CHECK(read({}, {{"SOURCE_DATE_EPOCH", ""}}).file_time == layerstore::default_file_time);
    CHECK(refused({}, {{"SOURCE_DATE_EPOCH", "253402300800"}}) == "usage: invalid SOURCE_DATE_EPOCH: 253402300800");
}

TEST_CASE("a time that is no number waits for the Buildfile, which may have a stage of that name") {
    const BuildOptions options = read({}, {{"SOURCE_DATE_EPOCH", "context"}});
    CHECK(options.file_time == layerstore::default_file_time);
    CHECK(options.build_args.at("SOURCE_DATE_EPOCH") == "context");
}

TEST_CASE("the time of an output goes before that of arguments, and an empty one turns them off") {
    const std::vector<std::string> others{"--build-arg", "SOURCE_DATE_EPOCH=7", "--created=git", "-o"};
    const auto with = [&](const char* output) {
        std::vector<std::string> arguments = others;
        arguments.emplace_back(output);
        return read(arguments, {});
    };
    CHECK(with("type=tar,source-date-epoch=5").file_time.seconds == 5);
    CHECK(with("type=tar,source-date-epoch=5").build_args.at("SOURCE_DATE_EPOCH") == "5");
    CHECK_FALSE(with("type=tar,source-date-epoch=5").created_from_git);
    CHECK(with("type=tar,source-date-epoch=").file_time == layerstore::default_file_time);
    CHECK(with("type=tar").created_from_git);
    CHECK(refused({"--created=now"}) == "usage: --created: now: no such time");
}

TEST_CASE("named contexts are files, images, layouts or stages") {
    using Kind = builder::NamedContext::Kind;
    const BuildOptions options = read({"--build-context", "a=../dir", "--build-context", "b=docker-image://alpine:3",
                                       "--build-context", "c=oci-layout:///path:tag", "--build-context",
                                       "d=target:base", "--build-context", "e=https://h/x.git#main"});
    CHECK(options.contexts.at("a").kind == Kind::files);
    CHECK(options.contexts.at("a").place == "../dir");
    CHECK(options.contexts.at("b").kind == Kind::image);
    CHECK(options.contexts.at("b").place == "alpine:3");
    CHECK(options.contexts.at("c").kind == Kind::layout);
    CHECK(options.contexts.at("c").place == "/path:tag");
    CHECK(options.contexts.at("d").kind == Kind::stage);
    CHECK(options.contexts.at("d").place == "base");
    CHECK(options.contexts.at("e").kind == Kind::files);
    CHECK(refused({"--build-context", "a"}) == "usage: --build-context: a: a place is missing");
}

TEST_CASE("a context may lie anywhere; context and Buildfile are not both on standard input") {
    const auto context = [](const std::string& text) {
        const std::vector<std::string> arguments{text};
        return test::refusal([&] { read_build_options("build", arguments, [](const auto&) { return std::nullopt; }); });
    };
    CHECK(context("https://example.com/x.git") == "accepted");
    CHECK(context("-") == "accepted");
    CHECK(context("dir") == "accepted");
    const std::vector<std::string> both{"-", "--file=-"};
    CHECK(test::refusal([&] { read_build_options("build", both, [](const auto&) { return std::nullopt; }); }) ==
          "usage: --file: -: context and Buildfile cannot both be on standard input");
}

TEST_CASE("words with a fixed set of values") {
    CHECK(read({"--pull"}).pull == builder::PullPolicy::always);
    CHECK(read({"--pull=never"}).pull == builder::PullPolicy::never);
    CHECK(refused({"--pull=now"}) == "usage: --pull: now: no such policy");
    CHECK(read({"--progress=rawjson"}).progress == ProgressMode::rawjson);
    CHECK(read({}, {{"BUILDKIT_PROGRESS", "plain"}}).progress == ProgressMode::plain);
    CHECK(refused({"--progress=fancy"}) == "usage: --progress: fancy: no such mode");
    CHECK(read({"-q", "--progress=plain"}).progress == ProgressMode::quiet);
    CHECK(read({"--context-modes=git"}).git_modes);
    CHECK(refused({"--context-modes=svn"}) == "usage: --context-modes: svn: no such modes");
    CHECK(refused({"--timestamps=fixed"}) == "accepted");
    CHECK(refused({"--timestamps=late"}) == "usage: --timestamps: late: no such way");
    CHECK(read({"--timestamps=preserve"}).solve.timestamps == builder::Timestamps::preserve);
    CHECK(read({}).solve.timestamps == builder::Timestamps::fixed);
    CHECK(refused({"--repro=lax"}) == "usage: --repro: lax: no such way");
    CHECK(refused({"--format-version=0"}) == "usage: --format-version: 0: no such version of the image format");
    CHECK(read({"--format-version=1"}).solve.packing.format == layerstore::FormatVersion::v1);
    CHECK(read({"--call=check"}).call.method == Call::Method::check);
    CHECK(read({"--check"}).call.method == Call::Method::check);
    CHECK(read({"--check", "--call=check,format=json,ignorestatus=true"}).call.json);
    CHECK(read({"--check", "--call=check,format=json,ignorestatus=true"}).call.ignore_status);
    CHECK(read({"--call=outline"}).call.method == Call::Method::outline);
    CHECK_FALSE(read({"--call=targets,format=text"}).call.json);
    CHECK(refused({"--call=outlines"}) == "usage: --call: outlines: no such method");
    CHECK(refused({"--call=outline,targets"}) == "usage: --call: outline,targets: no such method");
    CHECK(refused({"--call=outline,format=yaml"}) == "usage: --call: yaml: no such format");
    CHECK(refused({"--call=outline", "--check"}) == "usage: --call: outline: does not go with --check");
    CHECK(refused({"--root-mode=super"}) == "usage: --root-mode: no mode is called super");
}

TEST_CASE("platforms come in any number of flags, each once, in their order") {
    const auto platforms = [](const std::vector<std::string>& arguments, const Variables& environment = {}) {
        std::string texts;
        for (const layerstore::Platform& platform : read(arguments, environment).platforms)
            texts += platform.text() + " ";
        return texts;
    };
    CHECK(platforms({"--platform", "linux/arm64"}) == "linux/arm64 ");
    CHECK(platforms({"--platform", "arm64,linux/amd64", "--platform", "linux/aarch64, linux/arm/v7,x86_64"}) ==
          "linux/arm64 linux/amd64 linux/arm/v7 ");
    CHECK(read({"--platform", "local"}, {{"DOCKER_DEFAULT_PLATFORM", "linux/s390x"}}).platforms ==
          std::vector{layerstore::Platform::host()});
    CHECK(platforms({}, {{"DOCKER_DEFAULT_PLATFORM", "linux/s390x"}}) == "linux/s390x ");
    CHECK(refused({"--platform", "linux/amd64,nowhere"}).starts_with("usage: --platform: platform: \"nowhere\": "));
}

TEST_CASE("several platforms make an index, and one does where a build argument says so") {
    CHECK(read({"--platform", "amd64,arm64"}).makes_index());
    CHECK_FALSE(read({"--platform", "amd64"}).makes_index());
    CHECK(read({"--platform", "amd64", "--build-arg", "BUILDKIT_MULTI_PLATFORM=true"}).makes_index());
    CHECK(refused({"--platform", "amd64,arm64", "-o", "type=docker,dest=a.tar"}) ==
          "usage: --output: type=docker: such an archive holds one platform");
}

TEST_CASE("networks and what must be allowed") {
    CHECK(read({"--network", "none"}).network == parser::RunNetwork::none);
    CHECK(read({"--network=host", "--allow", "network.host,security.insecure"}).allow_insecure);
    CHECK(refused({"--network=host"}) == "usage: --network: host: not allowed");
    CHECK(refused({"--network=bridge"}) == "usage: --network: bridge: no such mode");
    CHECK(refused({"--allow=device"}) == "usage: --allow: device: no such permission");
}

TEST_CASE("names, labels and annotations") {
    const BuildOptions options = read({"-t", "app", "-t", "reg.io/x:2", "--label", "a=1", "--label", "b",
                                       "--annotation", "manifest:c=2", "--annotation", "org:x=3"});
    CHECK(options.names == std::vector<std::string>{"docker.io/library/app:latest", "reg.io/x:2"});
    CHECK(options.labels == Variables{{"a", "1"}, {"b", ""}});
    CHECK(annotations_of(options.annotations, Annotation::Place::manifest) == Variables{{"c", "2"}, {"org:x", "3"}});
    CHECK(refused({"--annotation", "index:c=2"}) ==
          "usage: --annotation: index:c=2: a build for one platform makes no index");
    CHECK(refused({"--annotation", "manifest[linux/s390x]:c=2"}) ==
          "usage: --annotation: manifest[linux/s390x]:c=2: this platform is not built");
    CHECK(refused({"-t", "UPPER"}).starts_with("usage: "));
}

TEST_CASE("jobs are at least one") {
    CHECK(read({"--jobs", "7"}).solve.jobs == 7);
    CHECK(refused({"--jobs", "0"}) == "usage: --jobs: 0: expected a number from 1 on");
    CHECK(refused({"--jobs=-1"}) == "usage: --jobs: -1: expected a number from 1 on");
    CHECK(refused({"--jobs=many"}) == "usage: --jobs: many: expected a number from 1 on");
}

TEST_CASE("load adds the engine, which takes the layers of the other image") {
    const BuildOptions options = read({"-o", "type=oci,dest=a,compression=zstd", "--load"});
    REQUIRE(options.outputs.size() == 2);
    CHECK(options.outputs[1].kind == OutputOption::Kind::engine);
    CHECK(options.outputs[1].destination.empty());
    CHECK(options.solve.packing.compression == Compression::zstd);
    CHECK(read({"--load"}).outputs.size() == 1);
    CHECK(read({"--load", "-o", "type=image"}).outputs.size() == 2);
    CHECK(read({"--load", "-o", "type=docker"}).outputs.size() == 1);
}

TEST_CASE("push is of the output that goes to the store, or an output of its own, and needs a name") {
    using Kind = OutputOption::Kind;
    const BuildOptions alone = read({"--push", "-t", "a"});
    REQUIRE(alone.outputs.size() == 1);
    CHECK(alone.outputs[0].kind == Kind::registry);
    CHECK(alone.outputs[0].push);
    CHECK_FALSE(alone.outputs[0].needs_blobs());

    const BuildOptions stored = read({"--push", "-o", "type=image", "-t", "a"});
    REQUIRE(stored.outputs.size() == 1);
    CHECK(stored.outputs[0].kind == Kind::store);
    CHECK(stored.outputs[0].push);

    const BuildOptions loaded = read({"--push", "--load", "-t", "a"});
    REQUIRE(loaded.outputs.size() == 2);
    CHECK(loaded.outputs[1].kind == Kind::engine);
    CHECK_FALSE(loaded.outputs[1].push);

    const BuildOptions archived = read({"--push", "-o", "type=oci,dest=a,compression=zstd", "-t", "a"});
    REQUIRE(archived.outputs.size() == 2);
    CHECK(archived.outputs[1].kind == Kind::registry);
    CHECK(archived.outputs[1].destination.empty());
    CHECK(archived.outputs[1].packing.compression == Compression::zstd);

    CHECK(read({"-o", "type=registry,name=a"}).outputs.size() == 1);
    CHECK(refused({"--push"}) == "usage: push: the image has no name that says where to");
}

TEST_CASE("a file of the digest needs an image") {
    CHECK(refused({"--iidfile", "x", "-o", "out"}) == "usage: --iidfile: x: no output of this build is an image");
    CHECK(read({"--iidfile", "x"}).iidfile == "x");
}

TEST_CASE("attestations make an index, and need OCI's media types") {
    CHECK_FALSE(read({"--provenance=false", "--sbom=false"}).makes_index());
    const BuildOptions options = read({"--provenance", "--annotation", "index:a=b"});
    CHECK(options.makes_index());
    CHECK_FALSE(options.is_multi_platform());
    CHECK(refused({"--provenance", "-o", "type=docker,dest=a,oci-mediatypes=false"}) ==
          "usage: --output: cannot export attestations with oci-mediatypes=false");
}

TEST_CASE("secrets come from files and variables") {
    const auto secret = [](const std::string& text, const Variables& environment = {}) {
        return read({"--secret", text}, environment).solve.run.secrets.at("a");
    };
    CHECK(secret("id=a,src=f").file == "f");
    CHECK(secret("id=a").file == "a");
    CHECK(secret("id=a", {{"a", "x"}}).environment == "a");
    CHECK(secret("id=a,env=B", {{"B", "x"}}).environment == "B");
    CHECK(secret("id=a,type=file", {{"a", "x"}}).file == "a");
    CHECK(refused({"--secret", "src=x"}) == "usage: --secret: src=x: id= is missing");
    CHECK(refused({"--secret", "id=a,env=B"}) == "usage: --secret: id=a,env=B: B is not set");
    CHECK(refused({"--secret", "id=a,type=x"}) == "usage: --secret: x: unsupported secret type");
    CHECK(refused({"--secret", "id=a,sources=x"}) == "usage: --secret: sources: no such key");
}

TEST_CASE("agents, hosts, limits and stages without cache") {
    CHECK(read({"--ssh", "default"}, {{"SSH_AUTH_SOCK", "/s"}}).solve.run.ssh_sockets.at("default") == "/s");
    CHECK(read({"--ssh", "id=/t"}).solve.run.ssh_sockets.at("id") == "/t");
    CHECK(refused({"--ssh", "default"}) == "usage: --ssh: default: no agent: SSH_AUTH_SOCK is not set");
    const builder::SolveOptions solve =
        read({"--add-host", "a:1.2.3.4", "--ulimit", "nofile=5", "--shm-size=1m", "--no-cache-filter", "One,two"})
            .solve;
    CHECK(solve.run.added_hosts.size() == 1);
    CHECK(solve.run.limits.front().hard == 5);
    CHECK(solve.run.shm_size == 1 << 20);
    CHECK(solve.no_cache_stages == std::vector<std::string>{"one", "two"});
}

TEST_CASE("without cache go all steps or those of lines, and required are all or those of stages") {
    CHECK(read({"--no-cache"}).solve.no_cache);
    const BuildOptions lines = read({"--no-cache=3, 14"});
    CHECK(!lines.solve.no_cache);
    CHECK(lines.no_cache_lines == std::vector<std::size_t>{3, 14});
    CHECK(read({"--no-cache=false"}).no_cache_lines.empty());
    for (const char* wrong : {"0", "x", "3,", "-1"})
        CHECK(refused({std::string("--no-cache=") + wrong}).find("expected lines of the Buildfile") !=
              std::string::npos);
    CHECK(read({"--require-cached"}).solve.require_cached);
    const builder::SolveOptions stages = read({"--require-cached=Build, test"}).solve;
    CHECK(!stages.require_cached);
    CHECK(stages.require_cached_stages == std::vector<std::string>{"build", "test"});
    CHECK(read({"--require-cached=false"}).solve.require_cached_stages.empty());
}

TEST_CASE("a build argument names the host of every RUN") {
    CHECK(read({}).solve.run.hostname.empty());
    CHECK(read({"--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=a-1.b"}).solve.run.hostname == "a-1.b");
    for (const std::string& name : {std::string("a b"), std::string("a\n"), std::string(65, 'a')})
        CHECK(refused({"--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=" + name}).find("no host name") != std::string::npos);
}

TEST_CASE("flags of other builders that would have an effect are refused") {
    for (const char* flag : {"--squash"}) {
        CAPTURE(flag);
        CHECK(refused({flag}).ends_with(": not supported"));
    }
}

}  // namespace
}  // namespace imgbuild::cli
