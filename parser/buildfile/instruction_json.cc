// SPDX-License-Identifier: Apache-2.0
#include "parser/buildfile/detail/instruction_json.h"
#include "base/json.h"

namespace imgbuild::parser::detail {
namespace {

Json text_or_null(const std::optional<std::string>& text) { return text ? Json(json_text(*text)) : Json(nullptr); }
Json word_json(const Word& word) { return json_text(word.text); }
Json word_or_null(const std::optional<Word>& word) { return word ? word_json(*word) : Json(nullptr); }

Json texts_json(const std::vector<std::string>& texts) {
    Json out = Json::array();
    for (const std::string& text : texts) out.push_back(json_text(text));
    return out;
}

Json words_json(const std::vector<Word>& words) {
    Json out = Json::array();
    for (const Word& word : words) out.push_back(word_json(word));
    return out;
}

Json pairs_json(const std::vector<KeyValue>& pairs) {
    Json out = Json::array();
    for (const KeyValue& pair : pairs) out.push_back({{"key", word_json(pair.key)}, {"value", word_json(pair.value)}});
    return out;
}

Json command_json(const Command& command) {
    if (command.exec) return {{"form", "exec"}, {"arguments", texts_json(command.arguments)}};
    return {{"form", "shell"}, {"text", json_text(command.text)}};
}

Json heredocs_json(const std::vector<Heredoc>& heredocs) {
    Json out = Json::array();
    for (const Heredoc& heredoc : heredocs) {
        out.push_back({{"name", json_text(heredoc.name)},
                       {"descriptor", heredoc.descriptor ? Json(*heredoc.descriptor) : Json(nullptr)},
                       {"stripTabs", heredoc.strip_tabs},
                       {"expand", heredoc.expand},
                       {"body", json_text(heredoc.body)}});
    }
    return out;
}

Json mounts_json(const std::vector<MountFlag>& mounts) {
    Json out = Json::array();
    for (const MountFlag& mount : mounts) {
        Json options = Json::array();
        for (const MountOption& option : mount.options)
            options.push_back({{"key", option.key}, {"value", word_or_null(option.value)}});
        out.push_back(std::move(options));
    }
    return out;
}

std::string_view network_name(RunNetwork network) {
    switch (network) {
        case RunNetwork::inherit: return "default";
        case RunNetwork::none: return "none";
        case RunNetwork::host: return "host";
    }
    return {};
}

/// The members of each kind of instruction.
struct Members {
    Json operator()(const From& from) const {
        return {{"image", word_json(from.image)},
                {"platform", word_or_null(from.platform)},
                {"name", text_or_null(from.name)}};
    }
    Json operator()(const Run& run) const {
        return {{"command", command_json(run.command)},
                {"script",
                 run.script ? Json{{"path", json_text(run.script->path)}, {"content", json_text(run.script->content)}}
                            : Json(nullptr)},
                {"heredocs", heredocs_json(run.heredocs)},
                {"mounts", mounts_json(run.mounts)},
                {"network", network_name(run.network)},
                {"security", run.security == RunSecurity::insecure ? "insecure" : "sandbox"}};
    }
    Json operator()(const Cmd& cmd) const { return {{"command", command_json(cmd.command)}}; }
    Json operator()(const Entrypoint& entrypoint) const { return {{"command", command_json(entrypoint.command)}}; }
    Json operator()(const Env& env) const { return {{"pairs", pairs_json(env.pairs)}, {"legacy", env.legacy}}; }
    Json operator()(const Label& label) const { return {{"pairs", pairs_json(label.pairs)}, {"legacy", label.legacy}}; }
    Json operator()(const Expose& expose) const { return {{"ports", words_json(expose.ports)}}; }
    Json operator()(const Add& add) const {
        Json out = transfer(add);
        out["checksum"] = word_or_null(add.checksum);
        out["keepGitDir"] = add.keep_git_dir ? Json(*add.keep_git_dir) : Json(nullptr);
        out["unpack"] = add.unpack ? Json(*add.unpack) : Json(nullptr);
        return out;
    }
    Json operator()(const Copy& copy) const {
        Json out = transfer(copy);
        out["from"] = text_or_null(copy.from);
        out["parents"] = copy.parents;
        return out;
    }
    Json operator()(const Volume& volume) const { return {{"paths", words_json(volume.paths)}}; }
    Json operator()(const User& user) const { return {{"name", word_json(user.name)}}; }
    Json operator()(const Workdir& workdir) const { return {{"path", word_json(workdir.path)}}; }
    Json operator()(const Arg& arg) const {
        Json entries = Json::array();
        for (const ArgEntry& entry : arg.entries)
            entries.push_back({{"name", json_text(entry.name)}, {"default", word_or_null(entry.default_value)}});
        return {{"entries", std::move(entries)}};
    }
    Json operator()(const Onbuild& onbuild) const { return {{"trigger", json_text(onbuild.trigger)}}; }
    Json operator()(const Stopsignal& signal) const { return {{"signal", word_json(signal.signal)}}; }
    Json operator()(const Healthcheck& check) const {
        return {{"command", check.command ? command_json(*check.command) : Json(nullptr)},
                {"interval", check.interval.count()},
                {"timeout", check.timeout.count()},
                {"startPeriod", check.start_period.count()},
                {"startInterval", check.start_interval.count()},
                {"retries", check.retries}};
    }
    Json operator()(const Shell& shell) const { return {{"arguments", texts_json(shell.arguments)}}; }
    Json operator()(const Maintainer& maintainer) const { return {{"name", json_text(maintainer.name)}}; }

  private:
    static Json transfer(const Transfer& transfer) {
        return {{"sources", words_json(transfer.sources)},        {"heredocs", heredocs_json(transfer.heredocs)},
                {"destination", word_json(transfer.destination)}, {"chown", word_or_null(transfer.chown)},
                {"chmod", word_or_null(transfer.chmod)},          {"link", transfer.link},
                {"excludes", texts_json(transfer.excludes)}};
    }
};

}  // namespace

Json instruction_json(const Instruction& instruction, const Source& source) {
    Json out{{"keyword", canonical_keyword(instruction.body)},
             {"text", json_text(instruction.text)},
             {"range", json_range(instruction.span, source)},
             {"comments", texts_json(instruction.comments)}};
    out.update(std::visit(Members{}, instruction.body));
    return out;
}

}  // namespace imgbuild::parser::detail
