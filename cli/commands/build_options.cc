// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/build_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/commands/build_flags.h"
#include "cli/commands/build_request.h"
#include "cli/commands/run_options.h"
#include "cli/common/input.h"
#include "cli/common/option_values.h"
#include "layerstore/image/reference.h"
#include "parser/instruction/values.h"

namespace imgbuild::cli {
namespace {

constexpr std::uint64_t latest_epoch = 253'402'300'799;  // 9999-12-31T23:59:59Z: the last one RFC 3339 can say
constexpr std::uint64_t max_arg_file_bytes = 1 << 20;
constexpr std::uint64_t max_jobs = 4096;
constexpr std::size_t max_hostname = 64;  // bytes: what the kernel takes

void add_build_arg(BuildOptions& options, std::string_view text, std::string_view flag,
                   const EnvironmentLookup& environment) {
    auto [name, value] = parse_pair(text, flag);
    if (text.find('=') != std::string_view::npos)
        options.build_args.insert_or_assign(std::move(name), std::move(value));
    else if (std::optional<std::string> inherited = environment(name))
        options.build_args.insert_or_assign(std::move(name), std::move(*inherited));
}

void read_build_args(BuildOptions& options, const BuildFlags& flags, const EnvironmentLookup& environment) {
    if (const std::optional<std::string> epoch = environment(std::string(epoch_name)); epoch && !epoch->empty())
        options.build_args.emplace(epoch_name, *epoch);
    for (const std::string& path : flags.build_arg_files) {
        Input input = with_context("--build-arg-file", [&] { return open_input(path); });
        const std::string text = read_all(*input.reader, max_arg_file_bytes, input.name);
        for (const std::string_view line : split(text, '\n')) {
            const std::string_view content = trim(line);
            if (!content.empty() && !content.starts_with('#')) add_build_arg(options, content, input.name, environment);
        }
    }
    for (const std::string& text : flags.build_args) add_build_arg(options, text, "--build-arg", environment);
}

// What is no number may be a name, which only the Buildfile and the contexts can tell (source_epoch.h).
void read_file_time(BuildOptions& options, const BuildFlags& flags) {
    if (flags.created && *flags.created != "git")
        refuse_value("--created", *flags.created, "no such time", "there is git; any other is a SOURCE_DATE_EPOCH");
    const auto output =
        std::ranges::find_if(options.outputs, [](const OutputOption& o) { return o.epoch.has_value(); });
    if (output != options.outputs.end())
        options.build_args.insert_or_assign(std::string(epoch_name), *output->epoch);
    else
        options.created_from_git = flags.created.has_value();
    const auto epoch = options.build_args.find(std::string(epoch_name));
    if (epoch == options.build_args.end() || epoch->second.empty()) return;
    if (epoch->second.find_first_not_of("0123456789") == std::string::npos) set_file_time(options, epoch->second);
}

builder::NamedContext read_named_context(std::string_view place) {
    using Kind = builder::NamedContext::Kind;
    constexpr std::string_view image = "docker-image://", layout = "oci-layout://", stage = "target:";
    if (place.starts_with(image)) return {Kind::image, std::string(place.substr(image.size()))};
    if (place.starts_with(layout)) return {Kind::layout, std::string(place.substr(layout.size()))};
    if (place.starts_with(stage)) return {Kind::stage, std::string(place.substr(stage.size()))};
    return {Kind::files, std::string(place)};
}

builder::Timestamps read_timestamps(std::string_view word) {
    if (word == "fixed") return builder::Timestamps::fixed;
    if (word == "clamp") return builder::Timestamps::clamp;
    if (word == "preserve") return builder::Timestamps::preserve;
    refuse_value("--timestamps", word, "no such way", "there are fixed, clamp and preserve");
}

void read_input(BuildOptions& options, const BuildFlags& flags) {
    options.context = *flags.context;
    options.file = flags.file;
    if (options.context == "-" && options.file == "-")
        refuse_value("--file", *options.file, "context and Buildfile cannot both be on standard input");
    for (const std::string& text : flags.build_contexts) {
        const auto [name, place] = parse_pair(text, "--build-context");
        if (place.empty()) refuse_value("--build-context", text, "a place is missing", "write NAME=DIRECTORY");
        options.contexts.insert_or_assign(name, read_named_context(place));
    }
    if (flags.context_modes && *flags.context_modes != "git")
        refuse_value("--context-modes", *flags.context_modes, "no such modes", "there is git");
    options.git_modes = flags.context_modes.has_value();
    options.solve.timestamps = read_timestamps(flags.timestamps.value_or("fixed"));
    if (flags.repro && *flags.repro != "strict")
        refuse_value("--repro", *flags.repro, "no such way", "there is strict");
    options.solve.scrub = flags.repro.has_value();
    options.target = flags.target.value_or("");
}

void read_platforms(BuildOptions& options, const BuildFlags& flags, const EnvironmentLookup& environment) {
    std::vector<std::string> texts = flags.platforms;
    if (const auto usual = environment("DOCKER_DEFAULT_PLATFORM"); texts.empty() && usual) texts.push_back(*usual);
    for (const std::string& text : texts) {
        for (const std::string_view part : split(text, ',')) {
            const std::string_view word = trim(part);
            if (word.empty()) continue;
            const layerstore::Platform platform =
                word == "local" ? layerstore::Platform::host()
                                : with_context("--platform", [&] { return layerstore::Platform::parse(word); });
            if (std::ranges::find(options.platforms, platform) == options.platforms.end())
                options.platforms.push_back(platform);
        }
    }
    if (options.platforms.empty()) options.platforms.push_back(layerstore::Platform::host());
}

builder::PullPolicy read_pull(const std::optional<std::string>& word) {
    if (!word || *word == "missing" || *word == "false") return builder::PullPolicy::missing;
    if (*word == "always") return builder::PullPolicy::always;
    if (*word == "never") return builder::PullPolicy::never;
    refuse_value("--pull", *word, "no such policy", "there are missing, always and never");
}

void read_network(BuildOptions& options, const BuildFlags& flags) {
    for (const std::string& text : flags.allow) {
        for (const std::string_view word : split(text, ',')) {
            if (word == "network.host")
                options.allow_host_network = true;
            else if (word == "security.insecure")
                options.allow_insecure = true;
            else
                refuse_value("--allow", word, "no such permission", "there are network.host and security.insecure");
        }
    }
    const std::string word = flags.network.value_or("default");
    if (word == "none")
        options.network = parser::RunNetwork::none;
    else if (word == "host")
        options.network = parser::RunNetwork::host;
    else if (word != "default")
        refuse_value("--network", word, "no such mode", "there are default, none and host");
    if (word == "host" && !options.allow_host_network)
        refuse_value("--network", word, "not allowed", "give --allow network.host as well");
}

void read_annotation(BuildOptions& options, std::string_view text) {
    for (Annotation& annotation : parse_annotation(text)) {
        if (annotation.is_of_index() && !options.makes_index())
            refuse_value("--annotation", text, "a build for one platform makes no index",
                         "leave the part before ':' away, or give several platforms");
        if (annotation.platform &&
            std::ranges::find(options.platforms, *annotation.platform) == options.platforms.end())
            refuse_value("--annotation", text, "this platform is not built");
        options.annotations.push_back(std::move(annotation));
    }
}

// docker load takes one image under a name.
void refuse_docker_archive(const BuildOptions& options) {
    const auto is_docker = [](const OutputOption& output) { return output.kind == OutputOption::Kind::docker_archive; };
    if (options.is_multi_platform() && std::ranges::any_of(options.outputs, is_docker))
        throw Error(ErrorKind::usage, "--output: type=docker: such an archive holds one platform",
                    "use type=oci, or build each platform for itself");
}

void read_names(BuildOptions& options, const BuildFlags& flags) {
    for (const std::string& tag : flags.tags) {
        const layerstore::Reference reference = layerstore::Reference::parse(tag);
        if (reference.digest) refuse_value("--tag", tag, "a digest is not chosen but made");
        options.names.push_back(reference.full());
    }
    for (const std::string& text : flags.labels) {
        auto [name, value] = parse_pair(text, "--label");
        options.labels.insert_or_assign(std::move(name), std::move(value));
    }
    for (const std::string& text : flags.annotations) read_annotation(options, text);
}

layerstore::FormatVersion read_format(const BuildFlags& flags) {
    if (!flags.format_version) return layerstore::newest_format;
    const auto number = parse_unsigned(*flags.format_version);
    const auto format = number ? layerstore::format_from_number(*number) : std::nullopt;
    if (format) return *format;
    refuse_value("--format-version", *flags.format_version, "no such version of the image format",
                 fmt::format("this program knows {}; a version that is newer needs a newer program",
                             layerstore::known_format_numbers()));
}

// One more output, with the layers that the others ask for.
OutputOption further_output(const BuildOptions& options, OutputOption::Kind kind) {
    const auto image = std::ranges::find_if(options.outputs, &OutputOption::is_image);
    OutputOption output =
        image == options.outputs.end() ? parse_output("type=image", options.solve.packing.format) : *image;
    output.kind = kind;
    output.destination.clear();
    output.push = kind == OutputOption::Kind::registry;
    output.push_by_digest = output.push_by_digest && output.push;
    output.keep = true;
    output.annotations.clear();
    return output;
}

// --push is of the outputs that go to the store, or else one of its own, as with buildx.
void add_flagged_outputs(BuildOptions& options, const BuildFlags& flags) {
    using Kind = OutputOption::Kind;
    const auto count = [&](Kind kind) { return std::ranges::count(options.outputs, kind, &OutputOption::kind); };
    if (flags.push && count(Kind::store) > 0) {
        for (OutputOption& output : options.outputs)
            if (output.kind == Kind::store) output.push = true;
    } else if (flags.push && count(Kind::registry) == 0) {
        options.outputs.push_back(further_output(options, Kind::registry));
    }
    if (flags.load && count(Kind::engine) == 0) options.outputs.push_back(further_output(options, Kind::engine));
    if (options.outputs.empty()) options.outputs.push_back(further_output(options, Kind::store));
}

void refuse_push_without_name(const BuildOptions& options) {
    for (const OutputOption& output : options.outputs)
        if (output.push && output.names.empty() && options.names.empty())
            throw Error(ErrorKind::usage, "push: the image has no name that says where to", "give one with --tag");
}

void read_outputs(BuildOptions& options, const BuildFlags& flags) {
    const layerstore::FormatVersion format = options.solve.packing.format = read_format(flags);
    for (const std::string& text : flags.outputs) {
        options.outputs.push_back(parse_output(text, format));
        for (const std::string& annotation : options.outputs.back().annotations) read_annotation(options, annotation);
    }
    add_flagged_outputs(options, flags);
    refuse_push_without_name(options);
    check_outputs(options.outputs);
    refuse_docker_archive(options);
    const auto image = std::ranges::find_if(options.outputs, &OutputOption::is_image);
    if (image != options.outputs.end()) {
        if (options.attest.is_any() && !image->oci_media_types)
            throw Error(ErrorKind::usage, "--output: cannot export attestations with oci-mediatypes=false");
        options.solve.packing = image->packing;
        options.solve.recompress_base = image->force_compression;
        options.solve.oci_media_types = image->oci_media_types;
    } else if (flags.iidfile) {
        refuse_value("--iidfile", *flags.iidfile, "no output of this build is an image");
    }
    options.iidfile = flags.iidfile;
    options.metadata_file = flags.metadata_file;
    options.profile = flags.profile;
}

std::string read_hostname(const BuildOptions& options) {
    const auto given = options.build_args.find("BUILDKIT_SANDBOX_HOSTNAME");
    if (given == options.build_args.end()) return "";
    const std::string& name = given->second;
    const auto is_allowed = [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; };
    if (name.size() > max_hostname || !std::ranges::all_of(name, is_allowed))
        refuse_value("--build-arg BUILDKIT_SANDBOX_HOSTNAME", name, "no host name",
                     "at most 64 letters, digits, '-' and '.'");
    return name;
}

void read_no_cache(BuildOptions& options, const BuildFlags& flags) {
    if (!flags.no_cache || *flags.no_cache == "false") return;
    options.solve.no_cache = *flags.no_cache == "true";
    if (options.solve.no_cache) return;
    for (const std::string_view text : split(*flags.no_cache, ',')) {
        const std::optional<std::uint64_t> line = parse_unsigned(trim(text));
        if (!line || *line == 0)
            refuse_value("--no-cache", *flags.no_cache, "expected lines of the Buildfile",
                         "write --no-cache=12,15; for stages there is --no-cache-filter");
        options.no_cache_lines.push_back(static_cast<std::size_t>(*line));
    }
}

void read_solve(BuildOptions& options, const BuildFlags& flags, const EnvironmentLookup& environment) {
    builder::SolveOptions& solve = options.solve;
    if (flags.jobs) {
        const std::optional<std::uint64_t> jobs = parse_unsigned(*flags.jobs);
        if (!jobs || *jobs == 0 || *jobs > max_jobs) refuse_value("--jobs", *flags.jobs, "expected a number from 1 on");
        solve.jobs = static_cast<std::size_t>(*jobs);
    }
    read_no_cache(options, flags);
    for (const std::string& text : flags.no_cache_filters)
        for (const std::string_view stage : split(text, ',')) solve.no_cache_stages.push_back(to_lower(trim(stage)));
    const std::string required = flags.require_cached.value_or("false");
    solve.require_cached = required == "true";
    if (required != "true" && required != "false")
        for (const std::string_view stage : split(required, ','))
            solve.require_cached_stages.push_back(to_lower(trim(stage)));
    solve.offline = flags.offline;
    options.caches = read_cache_options(flags.cache_from, flags.cache_to, flags.offline);
    const auto inline_cache = options.build_args.find("BUILDKIT_INLINE_CACHE");
    if (inline_cache != options.build_args.end() && inline_cache->second == "1") options.caches.inline_cache = true;
    solve.inline_cache = options.caches.inline_cache;
    options.warnings.insert(options.warnings.end(), options.caches.warnings.begin(), options.caches.warnings.end());
    solve.root_mode = wanted_root_mode(flags.common);
    solve.run = read_run_settings(flags, environment);
    solve.run.hostname = read_hostname(options);
    if (flags.on_failure && *flags.on_failure != "shell" && *flags.on_failure != "stop")
        refuse_value("--on-failure", *flags.on_failure, "no such answer", "there are shell and stop");
    options.shell_on_failure = flags.on_failure == "shell";
}

Call read_call(const BuildFlags& flags) {
    using Method = Call::Method;
    constexpr std::string_view flag = "--call";
    static const std::map<std::string, Method> methods{{"build", Method::build},
                                                       {"check", Method::check},
                                                       {"lint", Method::check},
                                                       {"outline", Method::outline},
                                                       {"targets", Method::targets}};
    Call call;
    if (flags.call) {
        CsvFields fields = parse_csv_fields(*flags.call, flag);
        const std::string name = fields.bare.empty() ? "" : fields.bare.front();
        const auto method = methods.find(name);
        if (method == methods.end() || fields.bare.size() > 1)
            refuse_value(flag, *flags.call, "no such method", "there are build, check, outline and targets");
        call.method = method->second;
        fields.bare.clear();
        const std::string format = take(fields, "format").value_or("text");
        if (format != "text" && format != "json")
            refuse_value(flag, format, "no such format", "there are text and json");
        call.json = format == "json";
        call.ignore_status = take_bool(fields, "ignorestatus", flag).value_or(false);
        refuse_others(fields, {"format", "ignorestatus"}, flag);
    }
    if (flags.check && call.method != Method::check) {
        if (call.method != Method::build) refuse_value(flag, *flags.call, "does not go with --check");
        call.method = Method::check;
    }
    return call;
}

void read_reporting(BuildOptions& options, const BuildFlags& flags, const EnvironmentLookup& environment) {
    options.call = read_call(flags);
    options.quiet = flags.quiet;
    options.explain = flags.explain;
    const std::string word = flags.progress.value_or(environment("BUILDKIT_PROGRESS").value_or("auto"));
    const std::optional<ProgressMode> mode = progress_mode_from_name(word);
    if (!mode) refuse_value("--progress", word, "no such mode", "there are auto, tty, plain, rawjson and quiet");
    options.progress = flags.quiet ? ProgressMode::quiet : *mode;
}

}  // namespace

void refuse_epoch(std::string_view epoch) {
    throw Error(ErrorKind::usage, fmt::format("invalid {}: {}", epoch_name, printable(epoch)),
                "give seconds since 1970, context, or the name of a context or stage that is fetched");
}

void set_file_time(BuildOptions& options, std::string_view epoch) {
    const std::optional<std::uint64_t> seconds = parse_unsigned(epoch);
    if (!seconds || *seconds > latest_epoch) refuse_epoch(epoch);
    options.file_time = {static_cast<std::int64_t>(*seconds), 0};
    options.solve.file_time = options.file_time;
}

bool BuildOptions::is_multi_platform() const {
    const auto wanted = build_args.find("BUILDKIT_MULTI_PLATFORM");
    return platforms.size() > 1 || (wanted != build_args.end() && (wanted->second == "1" || wanted->second == "true"));
}

BuildOptions build_options_of(const BuildFlags& flags, const EnvironmentLookup& environment) {
    BuildOptions options;
    options.common = flags.common;
    read_input(options, flags);
    read_build_args(options, flags, environment);
    read_platforms(options, flags, environment);
    options.pull = read_pull(flags.pull);
    read_network(options, flags);
    options.attest = read_attest_options(flags.provenance, flags.sbom, flags.attests);
    read_names(options, flags);
    read_outputs(options, flags);
    read_file_time(options, flags);
    read_solve(options, flags, environment);
    read_reporting(options, flags, environment);
    options.request = request_of(flags);
    return options;
}

std::optional<BuildOptions> read_build_options(const std::string& command, Arguments arguments,
                                               const EnvironmentLookup& environment) {
    BuildFlags flags;
    if (!read_build_flags(command, arguments, flags)) return std::nullopt;
    return build_options_of(flags, environment);
}

}  // namespace imgbuild::cli
