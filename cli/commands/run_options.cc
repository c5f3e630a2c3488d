// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/run_options.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/limit_options.h"
#include "cli/common/option_values.h"

namespace imgbuild::cli {
namespace {

// Without a type: the variable that env= or the id names where there is one, else a file.
builder::SecretSource secret_source(CsvFields& fields, const std::string& id, std::string_view text,
                                    const EnvironmentLookup& environment) {
    const std::optional<std::string> type = take(fields, "type");
    std::optional<std::string> file = take(fields, "src");
    if (!file) file = take(fields, "source");
    const std::optional<std::string> variable = take(fields, "env");
    if (type && *type != "file" && *type != "env")
        refuse_value("--secret", *type, "unsupported secret type", "there are file and env");
    const std::string name = variable.value_or(type == "env" && file ? *file : id);
    const bool is_variable = type == "env" || (!type && !file && (variable || environment(name)));
    if (is_variable && !environment(name))
        refuse_value("--secret", text, fmt::format("{} is not set", printable(name)));
    if (is_variable) return {"", name};
    return {file.value_or(id), ""};
}

void add_secret(builder::RunSettings& settings, const std::string& text, const EnvironmentLookup& environment) {
    CsvFields fields = parse_csv_fields(text, "--secret");
    const std::optional<std::string> id = take(fields, "id");
    if (!id || id->empty()) refuse_value("--secret", text, "id= is missing");
    settings.secrets.insert_or_assign(*id, secret_source(fields, *id, text, environment));
    refuse_others(fields, {"id", "src", "source", "env", "type"}, "--secret");
}

void add_ssh(builder::RunSettings& settings, const std::string& text, const EnvironmentLookup& environment) {
    const auto [id, place] = parse_pair(text, "--ssh");
    if (place.find(',') != std::string::npos) refuse_value("--ssh", text, "one socket for an id");
    std::string socket = place;
    if (socket.empty()) socket = environment("SSH_AUTH_SOCK").value_or("");
    if (socket.empty())
        refuse_value("--ssh", text, "no agent: SSH_AUTH_SOCK is not set", "start ssh-agent, or name a socket");
    settings.ssh_sockets.insert_or_assign(id, std::move(socket));
}

}  // namespace

builder::RunSettings read_run_settings(const BuildFlags& flags, const EnvironmentLookup& environment) {
    builder::RunSettings settings;
    for (const std::string& text : flags.secrets) add_secret(settings, text, environment);
    for (const std::string& text : flags.ssh) add_ssh(settings, text, environment);
    for (const std::string& text : flags.add_hosts)
        for (auto& host : parse_added_host(text)) settings.added_hosts.push_back(std::move(host));
    if (flags.shm_size) settings.shm_size = parse_size(*flags.shm_size, "--shm-size");
    for (const std::string& text : flags.ulimits) settings.limits.push_back(parse_limit(text));
    read_limits(settings, flags.limits);
    return settings;
}

}  // namespace imgbuild::cli
