// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/step_key.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>
#include <map>
#include <random>
#include <set>

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

Digest content(std::string_view what) { return Sha256::of(what); }

/// All that a RUN's key is made of.
struct Run {
    RunCommand command;
    RunKeyInputs inputs;
    StepKey key() const { return run_key(command, inputs); }
};

/// All that an edit's key is made of.
struct Edit {
    EditFiles edit;
    EditKeyInputs inputs;
    StepKey key() const { return edit_key(edit, inputs); }
    TransferFiles& transfer() { return std::get<TransferFiles>(edit.edit); }
};

RunMount mount(parser::MountType type, std::string_view target, std::optional<std::size_t> input = std::nullopt) {
    RunMount mount;
    mount.mount.type = type;
    mount.mount.target = target;
    mount.target = ImagePath::clean(target);
    mount.input = input;
    return mount;
}

Run sample_run() {
    Run run;
    run.command.arguments = {"/bin/sh", "-c", "make"};
    run.command.environment = {"PATH=/bin", "TOKEN=one"};
    run.command.build_arguments = {"TOKEN"};
    run.command.script = parser::ScriptFile{"/dev/pipes/a", "#!/bin/sh\n"};
    run.command.mounts = {mount(parser::MountType::bind, "/src", 1), mount(parser::MountType::cache, "/cache")};
    run.command.platform = layerstore::Platform::parse("linux/amd64");
    run.inputs = {content("root"), {content("src")}, "host", {{"name", "10.0.0.1"}}, 64, {"nofile=1:2"}, "", ""};
    return run;
}

Edit sample_copy() {
    Edit edit{EditFiles{TransferFiles()}, {content("root"), {content("a")}, ""}};
    edit.transfer().sources = {{0, "a", "", "a", false}};
    edit.transfer().inline_files = {{"file", "text"}};
    edit.transfer().destination = ImagePath::clean("/app");
    edit.transfer().excludes = {"*.md"};
    return edit;
}

template <class Step>
using Flips = std::map<std::string, std::function<void(Step&)>>;

// Structured bindings count the fields: one that is added to the operation does not compile until it stands here.
Flips<Run> flips_of_command() {
    {
        [[maybe_unused]] const auto& [arguments, environment, build_arguments, unkeyed, user, working_directory,
                                      network, security, mounts, script, platform] = RunCommand();
        [[maybe_unused]] const auto& [root, mount_files, hostname, added_hosts, shm_size, limits, times, scrub] =
            RunKeyInputs();
    }
    return {
        {"arguments", [](Run& run) { run.command.arguments.back() = "make all"; }},
        {"arguments apart",
         [](Run& run) {
             run.command.arguments = {"/bin/sh", "-c make"};
         }},
        {"environment", [](Run& run) { run.command.environment[0] = "PATH=/sbin"; }},
        {"order of the environment",
         [](Run& run) { std::swap(run.command.environment[0], run.command.environment[1]); }},
        {"a build argument's value", [](Run& run) { run.command.environment[1] = "TOKEN=two"; }},
        {"build arguments", [](Run& run) { run.command.build_arguments.clear(); }},
        {"user", [](Run& run) { run.command.user = "nobody"; }},
        {"working directory", [](Run& run) { run.command.working_directory = ImagePath::clean("/w"); }},
        {"no network", [](Run& run) { run.command.network = parser::RunNetwork::none; }},
        {"network of the host", [](Run& run) { run.command.network = parser::RunNetwork::host; }},
        {"security", [](Run& run) { run.command.security = parser::RunSecurity::insecure; }},
        {"fewer mounts", [](Run& run) { run.command.mounts.pop_back(); }},
        {"script", [](Run& run) { run.command.script.reset(); }},
        {"script path", [](Run& run) { run.command.script->path = "/dev/pipes/b"; }},
        {"script content", [](Run& run) { run.command.script->content = "#!/bin/bash\n"; }},
        {"operating system", [](Run& run) { run.command.platform.os = "freebsd"; }},
        {"architecture", [](Run& run) { run.command.platform.architecture = "arm64"; }},
        {"variant", [](Run& run) { run.command.platform.variant = "v3"; }},
        {"root", [](Run& run) { run.inputs.root = content("another root"); }},
        {"files of a mount", [](Run& run) { run.inputs.mounts[0] = content("other"); }},
        {"hostname", [](Run& run) { run.inputs.hostname = "other"; }},
        {"name of an added host", [](Run& run) { run.inputs.added_hosts[0].first = "other"; }},
        {"address of an added host", [](Run& run) { run.inputs.added_hosts[0].second = "10.0.0.2"; }},
        {"where an added host ends",
         [](Run& run) {
             run.inputs.added_hosts[0] = {"name=10", "0.0.1"};
         }},
        {"shm size", [](Run& run) { run.inputs.shm_size = 65; }},
        {"limits", [](Run& run) { run.inputs.limits[0] = "nofile=1:3"; }},
        {"times", [](Run& run) { run.inputs.times = "preserve"; }},
        {"what is taken away", [](Run& run) { run.inputs.scrub = "strict 1"; }},
        {"a limit of times", [](Run& run) { run.inputs.times = "clamp 1700000000"; }},
    };
}

Flips<Run> flips_of_mount() {
    using parser::Mount;
    {
        [[maybe_unused]] const auto& [type, target, source, from, id, environment, read_only, required, sharing, mode,
                                      uid, gid, size, span] = Mount();
        [[maybe_unused]] const auto& [planned, place, input] = RunMount();
    }
    const auto cache = [](void (*change)(Mount&)) { return [=](Run& run) { change(run.command.mounts[1].mount); }; };
    return {
        {"type", cache([](Mount& mount) { mount.type = parser::MountType::tmpfs; })},
        {"target", [](Run& run) { run.command.mounts[1].target = ImagePath::clean("/other"); }},
        {"source in a cache", cache([](Mount& mount) { mount.source = "sub"; })},
        {"id", cache([](Mount& mount) { mount.id = "other"; })},
        {"variable", cache([](Mount& mount) { mount.environment = "NAME"; })},
        {"read-only", cache([](Mount& mount) { mount.read_only = true; })},
        {"required", cache([](Mount& mount) { mount.required = true; })},
        {"sharing", cache([](Mount& mount) { mount.sharing = parser::CacheSharing::locked; })},
        {"mode", cache([](Mount& mount) { mount.mode = 0; })},
        {"uid", cache([](Mount& mount) { mount.uid = 0; })},
        {"gid", cache([](Mount& mount) { mount.gid = 0; })},
        {"size", cache([](Mount& mount) { mount.size = 1; })},
        {"mode and uid", cache([](Mount& mount) { mount.mode = mount.uid = 7; })},
        {"uid and gid", cache([](Mount& mount) { mount.uid = mount.gid = 7; })},
    };
}

Flips<Edit> flips_of_edit() {
    {
        [[maybe_unused]] const auto& [sources, inline_files, destination, into_directory, chown, chmod, link, parents,
                                      excludes] = TransferFiles();
        [[maybe_unused]] const auto& [input, pattern, pivot, written, unpack] = TransferSource();
        [[maybe_unused]] const auto& [name, text] = InlineFile();
    }
    return {
        {"pattern", [](Edit& edit) { edit.transfer().sources[0].pattern = "b"; }},
        {"pivot", [](Edit& edit) { edit.transfer().sources[0].pivot = "p"; }},
        {"unpack", [](Edit& edit) { edit.transfer().sources[0].unpack = true; }},
        {"no source", [](Edit& edit) { edit.transfer().sources.clear(); }},
        {"files of a source", [](Edit& edit) { edit.inputs.sources[0] = content("b"); }},
        {"root", [](Edit& edit) { edit.inputs.root = content("another root"); }},
        {"times", [](Edit& edit) { edit.inputs.times = "preserve"; }},
        {"name of a heredoc", [](Edit& edit) { edit.transfer().inline_files[0].name = "other"; }},
        {"text of a heredoc", [](Edit& edit) { edit.transfer().inline_files[0].content = "other"; }},
        {"no heredoc", [](Edit& edit) { edit.transfer().inline_files.clear(); }},
        {"destination", [](Edit& edit) { edit.transfer().destination = ImagePath::clean("/b"); }},
        {"into directory", [](Edit& edit) { edit.transfer().into_directory = true; }},
        {"chown", [](Edit& edit) { edit.transfer().chown = "1:1"; }},
        {"chmod", [](Edit& edit) { edit.transfer().chmod = "1:1"; }},
        {"link", [](Edit& edit) { edit.transfer().link = true; }},
        {"parents", [](Edit& edit) { edit.transfer().parents = true; }},
        {"excludes", [](Edit& edit) { edit.transfer().excludes = {"*.txt"}; }},
        {"more excludes", [](Edit& edit) { edit.transfer().excludes.emplace_back("*.md"); }},
        {"WORKDIR",
         [](Edit& edit) {
             edit.edit.edit = MakeWorkingDirectory{ImagePath::clean("/app"), ""};
         }},
        {"WORKDIR elsewhere",
         [](Edit& edit) {
             edit.edit.edit = MakeWorkingDirectory{ImagePath::clean("/b"), ""};
         }},
        {"WORKDIR of a user",
         [](Edit& edit) {
             edit.edit.edit = MakeWorkingDirectory{ImagePath::clean("/app"), "u"};
         }},
    };
}

// Each change gives a key of its own, different from that of the sample and of every other change.
template <class Step>
void check_flips(const Step& sample, const Flips<Step>& flips) {
    std::map<Digest, std::string> seen{{sample.key().digest(), "the sample"}};
    for (const auto& change : flips) {
        Step changed = sample;
        change.second(changed);
        const auto known = seen.emplace(changed.key().digest(), change.first);
        CAPTURE(known.first->second);  // whose key it is
        CHECK_MESSAGE(known.second, change.first);
    }
}

/// Small alphabets, so that equal steps come up as well as nearly equal ones.
class Random {
  public:
    std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(engine_); }
    bool coin() { return below(2) == 0; }
    std::string word() {
        static constexpr const char* words[] = {"", "a", "b", "ab", "a=b", "root", "1", "sha256:"};
        return words[below(std::size(words))];
    }
    std::vector<std::string> words() {
        std::vector<std::string> list(below(3));
        for (std::string& text : list) text = word();
        return list;
    }

    Run run() {
        Run run;
        run.command.arguments = words();
        for (const std::string& value : words()) run.command.environment.push_back("A=" + value);
        if (coin() && !run.command.environment.empty()) run.command.build_arguments = {"A"};
        run.command.user = word();
        run.command.working_directory = ImagePath::clean("/" + word());
        if (coin()) run.command.script = parser::ScriptFile{word(), word()};
        for (std::size_t count = below(3); count > 0; --count) {
            RunMount one = mount(static_cast<parser::MountType>(below(5)), "/" + word());
            one.mount.id = word();
            one.mount.source = word();
            if (coin()) one.mount.uid = static_cast<std::uint32_t>(below(2));
            if (coin()) one.mount.gid = static_cast<std::uint32_t>(below(2));
            if (one.mount.type == parser::MountType::bind) {
                one.input = 1;
                one.mount.source.clear();
                run.inputs.mounts.push_back(content(word()));
            }
            run.command.mounts.push_back(std::move(one));
        }
        run.inputs.root = content(word());
        run.inputs.limits = words();
        for (const std::string& name : words()) run.inputs.added_hosts.emplace_back(name, word());
        return run;
    }

    Edit copy() {
        Edit edit{EditFiles{TransferFiles()}, content(word()), {}};
        for (const std::string& pattern : words()) {
            edit.transfer().sources.push_back({0, pattern, word(), "", coin()});
            edit.inputs.sources.push_back(content(word()));
        }
        for (const std::string& name : words()) edit.transfer().inline_files.push_back({name, word()});
        edit.transfer().destination = ImagePath::clean("/" + word());
        edit.transfer().chown = word();
        edit.transfer().chmod = word();
        edit.transfer().excludes = words();
        return edit;
    }

  private:
    std::mt19937 engine_{4950};
};

bool same(const Run& a, const Run& b) {
    const auto inputs = [](const RunKeyInputs& all) {
        return std::tie(all.root, all.mounts, all.hostname, all.added_hosts, all.shm_size, all.limits);
    };
    return a.command == b.command && inputs(a.inputs) == inputs(b.inputs);
}

bool same(const Edit& a, const Edit& b) {
    return a.edit == b.edit && a.inputs.root == b.inputs.root && a.inputs.sources == b.inputs.sources;
}

}  // namespace

TEST_CASE("every field of a RUN is in its key") { check_flips(sample_run(), flips_of_command()); }

TEST_CASE("every field of a mount is in the key of its RUN") { check_flips(sample_run(), flips_of_mount()); }

TEST_CASE("every field of a COPY and of a WORKDIR is in its key") {
    check_flips(sample_copy(), flips_of_edit());
    std::set<Digest> directories;
    for (const auto& [path, owner] : {std::pair("/a", ""), std::pair("/b", ""), std::pair("/a", "b")})
        directories.insert(
            Edit{{MakeWorkingDirectory{ImagePath::clean(path), owner}}, {content("root"), {}, ""}}.key().digest());
    CHECK(directories.size() == 3);
}

TEST_CASE("what a step does not see is not in its key") {
    const Digest key = sample_run().key().digest();
    Run run = sample_run();
    run.command.unkeyed = {"HTTP_PROXY=http://user:secret@proxy"};
    RunMount& bind = run.command.mounts[0];
    bind.mount.source = "elsewhere";  // what is there is in the key
    bind.mount.from = "stage";
    bind.mount.span = {10, 20};
    bind.input = 2;
    CHECK(run.key().digest() == key);
    Edit copy = sample_copy();
    copy.transfer().sources[0].written = "./a";
    copy.transfer().sources[0].input = 3;
    CHECK(copy.key().digest() == sample_copy().key().digest());
}

TEST_CASE("two different steps never share a key, and equal ones always do") {
    Random random;
    std::map<Digest, Run> runs;
    std::map<Digest, Edit> copies;
    std::size_t equal = 0;
    for (int i = 0; i < 20'000; ++i) {
        const Run run = random.run();
        const auto [known_run, new_run] = runs.try_emplace(run.key().digest(), run);
        if (!new_run && !same(known_run->second, run)) FAIL("two RUNs share a key: " << run.key().preimage());
        const Edit copy = random.copy();
        const auto [known_copy, new_copy] = copies.try_emplace(copy.key().digest(), copy);
        if (!new_copy && !same(known_copy->second, copy)) FAIL("two COPYs share a key: " << copy.key().preimage());
        equal += new_copy ? 0 : 1;
        CHECK(!copies.contains(run.key().digest()));
    }
    CHECK(equal > 0);
}

TEST_CASE("a key is the digest of its labelled parts, each with its length before it") {
    StepKey key("RUN");
    key.add("a", "bc").add("number", std::uint64_t{300});
    CHECK(key.preimage() == std::string("\x09operation\x03RUN\x0bkey version\x01"
                                        "1\x01"
                                        "a\x02"
                                        "bc\x06number\x03"
                                        "300"));
    CHECK(key.digest() == Sha256::of(key.preimage()));
    CHECK(StepKey("a").add("bc", "d").digest() != StepKey("a").add("b", "cd").digest());
}

TEST_CASE("values of build arguments are not in what is kept of a key") {
    Run run = sample_run();
    run.command.environment = {"TOKEN=hunter2"};
    CHECK(run.key().preimage().find("hunter2") == std::string::npos);
    CHECK(run.key().preimage().find("TOKEN=") != std::string::npos);
}
