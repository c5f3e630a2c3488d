// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "layerstore/image/detail/document.h"
#include "layerstore/image/image.h"

namespace imgbuild::layerstore {
namespace {

using Strings = std::vector<std::string>;

// The kernel and our own files end a string at NUL: what was checked would not be what is used.
void refuse_nul(const Strings& values, std::string_view member, std::string_view what) {
    for (std::size_t i = 0; i < values.size(); ++i)
        if (values[i].find('\0') != std::string::npos)
            detail::refuse(detail::place(what, fmt::format("{}[{}]", member, i)), "holds a NUL");
}

Strings text_list(const Json& object, std::string_view member, std::string_view what) {
    Strings values = detail::string_list(object, member, what).value_or(Strings());
    refuse_nul(values, member, what);
    return values;
}

std::optional<Strings> arguments(const Json& object, std::string_view member, std::string_view what) {
    auto values = detail::string_list(object, member, what);
    if (values) refuse_nul(*values, member, what);
    return values;
}

std::string text(const Json& object, std::string_view member, std::string_view what) {
    std::string value = optional_string(object, member, what).value_or("");
    if (value.find('\0') != std::string::npos) detail::refuse(detail::place(what, member), "holds a NUL");
    return value;
}

// A number that the kernel does not take, or a sign or a blank before one, must be refused here: elsewhere it
// was wrapped to 0, which is root (CVE-2024-40635), or looked up as a name that an image can define.
bool is_user_or_group(std::string_view part) {
    if (part.empty()) return false;
    for (char c : part)
        if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) return false;
    if (part.front() == '-' || part.front() == '+' || part.starts_with("0x")) return false;
    if (!std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; })) return true;
    auto number = parse_unsigned(part);
    return number && *number < UINT32_MAX;
}

void check_user(const std::string& user, std::string_view what) {
    if (user.empty()) return;
    auto parts = split(user, ':');
    // "name:" is what Docker writes for a user without a group.
    if (parts.size() == 2 && parts[1].empty()) parts.pop_back();
    if (parts.size() > 2 || !std::all_of(parts.begin(), parts.end(), is_user_or_group))
        detail::refuse(detail::place(what, "User"),
                       fmt::format("\"{}\" is neither a name nor a number from 0 to 4294967294", printable(user)));
}

void check_environment(const Strings& environment, std::string_view what) {
    for (std::size_t i = 0; i < environment.size(); ++i) {
        std::size_t equals = environment[i].find('=');
        if (equals == std::string::npos || equals == 0)
            detail::refuse(detail::place(what, fmt::format("Env[{}]", i)),
                           fmt::format("\"{}\" is not NAME=value", printable(environment[i])));
    }
}

// These words become parts of file names.
std::string platform_word(const Json& document, std::string_view member, std::string_view what) {
    std::string word = text(document, member, what);
    for (char c : word)
        if (static_cast<unsigned char>(c) <= ' ' || c == '/' || c == '\\' || c == 0x7f)
            detail::refuse(detail::place(what, member), fmt::format("\"{}\" is no word", printable(word)));
    return word;
}

Platform read_platform(const Json& document, std::string_view what) {
    Platform platform;
    platform.os = platform_word(document, "os", what);
    platform.architecture = platform_word(document, "architecture", what);
    if (platform.os.empty()) detail::refuse(detail::place(what, "os"), "missing");
    if (platform.architecture.empty()) detail::refuse(detail::place(what, "architecture"), "missing");
    platform.variant = platform_word(document, "variant", what);
    platform.os_version = text(document, "os.version", what);
    platform.os_features = text_list(document, "os.features", what);
    return platform.normalised();
}

std::optional<Healthcheck> read_healthcheck(const Json& settings, std::string_view what) {
    const Json* object = optional_object(settings, "Healthcheck", what);
    if (!object) return std::nullopt;
    const std::string place = detail::place(what, "Healthcheck");
    Healthcheck check;
    check.test = text_list(*object, "Test", place);
    auto duration = [&](std::string_view member) { return optional_integer(*object, member, place).value_or(0); };
    check.interval = duration("Interval");
    check.timeout = duration("Timeout");
    check.start_period = duration("StartPeriod");
    check.start_interval = duration("StartInterval");
    std::int64_t retries = duration("Retries");
    if (retries < 0 || retries > INT32_MAX)
        detail::refuse(detail::place(place, "Retries"), fmt::format("{} is out of range", retries));
    check.retries = static_cast<int>(retries);
    return check;
}

void read_settings(const Json& settings, const std::string& what, ImageConfig& config) {
    config.user = text(settings, "User", what);
    check_user(config.user, what);
    config.exposed_ports = detail::string_set(settings, "ExposedPorts", what);
    config.environment = text_list(settings, "Env", what);
    check_environment(config.environment, what);
    config.entrypoint = arguments(settings, "Entrypoint", what);
    config.command = arguments(settings, "Cmd", what);
    config.volumes = detail::string_set(settings, "Volumes", what);
    refuse_nul(config.volumes, "Volumes", what);
    config.working_directory = text(settings, "WorkingDir", what);
    config.labels = detail::string_map(settings, "Labels", what);
    config.stop_signal = text(settings, "StopSignal", what);
    if (auto escaped = settings.find("ArgsEscaped"); escaped != settings.end() && !escaped->is_null()) {
        if (!escaped->is_boolean()) detail::refuse(detail::place(what, "ArgsEscaped"), "expected a boolean");
        config.arguments_escaped = escaped->get<bool>();
    }
    config.healthcheck = read_healthcheck(settings, what);
    config.on_build = text_list(settings, "OnBuild", what);
    config.shell = text_list(settings, "Shell", what);
}

std::vector<DiffId> read_diff_ids(const Json& document, std::string_view what) {
    const Json* rootfs = optional_object(document, "rootfs", what);
    const std::string place = detail::place(what, "rootfs");
    if (!rootfs) detail::refuse(place, "missing");
    const std::string type = required_string(*rootfs, "type", place);
    if (type != "layers")
        detail::refuse(detail::place(place, "type"), fmt::format("\"{}\" and not \"layers\"", printable(type)));
    // Builders write null for an image without layers.
    Strings list = text_list(*rootfs, "diff_ids", place);
    if (list.size() > max_layers)
        detail::refuse(detail::place(place, "diff_ids"), fmt::format("{}, at most {}", list.size(), max_layers));
    std::vector<DiffId> diff_ids;
    for (const std::string& digest : list)
        diff_ids.push_back(
            {detail::to_digest(digest, detail::place(place, fmt::format("diff_ids[{}]", diff_ids.size())))});
    return diff_ids;
}

std::vector<HistoryEntry> read_history(const Json& document, std::string_view what) {
    std::vector<HistoryEntry> history;
    const Json* list = optional_array(document, "history", what);
    if (!list) return history;
    for (const Json& item : *list) {
        const std::string place = detail::place(what, fmt::format("history[{}]", history.size()));
        detail::require_object(item, place);
        HistoryEntry entry;
        entry.created = optional_string(item, "created", place).value_or("");
        entry.created_by = optional_string(item, "created_by", place).value_or("");
        entry.comment = optional_string(item, "comment", place).value_or("");
        entry.author = optional_string(item, "author", place).value_or("");
        if (auto empty = item.find("empty_layer"); empty != item.end() && empty->is_boolean())
            entry.empty_layer = empty->get<bool>();
        history.push_back(std::move(entry));
    }
    return history;
}

void put(Json& object, const char* member, const std::string& value) {
    if (!value.empty()) object[member] = value;
}

void put(Json& object, const char* member, const Strings& values) {
    if (!values.empty()) object[member] = values;
}

void put(Json& object, const char* member, std::int64_t value) {
    if (value != 0) object[member] = value;
}

void put_set(Json& object, const char* member, Strings names) {
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) object[member][name] = Json::object();
}

Json settings_to_json(const ImageConfig& config) {
    Json settings = Json::object();
    put(settings, "User", config.user);
    put_set(settings, "ExposedPorts", config.exposed_ports);
    put(settings, "Env", config.environment);
    put(settings, "Entrypoint", config.entrypoint.value_or(Strings()));
    put(settings, "Cmd", config.command.value_or(Strings()));
    put_set(settings, "Volumes", config.volumes);
    put(settings, "WorkingDir", config.working_directory);
    if (!config.labels.empty()) settings["Labels"] = config.labels;
    put(settings, "StopSignal", config.stop_signal);
    if (config.arguments_escaped) settings["ArgsEscaped"] = true;
    if (config.healthcheck) {
        Json check = Json::object();
        put(check, "Test", config.healthcheck->test);
        put(check, "Interval", config.healthcheck->interval);
        put(check, "Timeout", config.healthcheck->timeout);
        put(check, "StartPeriod", config.healthcheck->start_period);
        put(check, "StartInterval", config.healthcheck->start_interval);
        put(check, "Retries", std::int64_t{config.healthcheck->retries});
        settings["Healthcheck"] = std::move(check);
    }
    put(settings, "OnBuild", config.on_build);
    put(settings, "Shell", config.shell);
    return settings;
}

Json history_to_json(const std::vector<HistoryEntry>& history) {
    Json list = Json::array();
    for (const HistoryEntry& entry : history) {
        Json item = Json::object();
        put(item, "created", entry.created);
        put(item, "created_by", entry.created_by);
        put(item, "author", entry.author);
        put(item, "comment", entry.comment);
        if (entry.empty_layer) item["empty_layer"] = true;
        list.push_back(std::move(item));
    }
    return list;
}

}  // namespace

ImageConfig ImageConfig::parse(std::string_view bytes, std::string_view what) {
    const Json document = parse_json(bytes, what);
    detail::require_object(document, what);
    ImageConfig config;
    config.platform = read_platform(document, what);
    config.author = optional_string(document, "author", what).value_or("");
    config.created = optional_string(document, "created", what).value_or("");
    if (const Json* settings = optional_object(document, "config", what))
        read_settings(*settings, detail::place(what, "config"), config);
    config.diff_ids = read_diff_ids(document, what);
    config.history = read_history(document, what);
    return config;
}

std::string ImageConfig::encode() const {
    Json document = Json::object();
    document["architecture"] = platform.architecture;
    put(document, "author", author);
    document["config"] = settings_to_json(*this);
    put(document, "created", created);
    if (!history.empty()) document["history"] = history_to_json(history);
    document["os"] = platform.os;
    put(document, "os.features", platform.os_features);
    put(document, "os.version", platform.os_version);
    Json layers = nullptr;
    for (const DiffId& diff_id : diff_ids) layers.push_back(diff_id.value.text());
    document["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(layers)}};
    put(document, "variant", platform.variant);
    return write_json(document);
}

std::optional<std::string> ImageConfig::find_environment(std::string_view name) const {
    for (const std::string& variable : environment)
        if (variable.size() > name.size() && variable[name.size()] == '=' && variable.starts_with(name))
            return variable.substr(name.size() + 1);
    return std::nullopt;
}

void ImageConfig::set_environment(std::string_view name, std::string_view value) {
    std::string text = fmt::format("{}={}", name, value);
    for (std::string& variable : environment) {
        if (variable.size() > name.size() && variable[name.size()] == '=' && variable.starts_with(name)) {
            variable = std::move(text);
            return;
        }
    }
    environment.push_back(std::move(text));
}

}  // namespace imgbuild::layerstore
