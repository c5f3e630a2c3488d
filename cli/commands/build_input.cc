// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/build_input.h"

#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/context_input.h"
#include "cli/common/input.h"
#include "parser/instruction/values.h"

namespace imgbuild::cli {
namespace {

constexpr std::array buildfile_names{"Buildfile", "Containerfile", "Dockerfile", "dockerfile"};
constexpr std::uint64_t max_source = parser::Source::max_bytes;

[[noreturn]] void refuse_without_buildfile(const std::string& context) {
    throw Error(ErrorKind::not_found,
                fmt::format("no Buildfile, Containerfile or Dockerfile in {}", printable(context)), "name one with -f");
}

std::string find_buildfile(const std::string& context) {
    for (const char* name : buildfile_names)
        if (std::string path = below(context, name); is_there(path)) return path;
    refuse_without_buildfile(context);
}

/// Reads one build's input.
class InputReader {
  public:
    InputReader(const BuildOptions& options, layerstore::Store& store, layerstore::Store::Lease* lease)
        : options_(options), store_(store), lease_(lease) {}

    BuildInput read() {
        BuildInput input = read_main();
        for (const auto& [name, context] : options_.contexts)
            if (context.kind == builder::NamedContext::Kind::files)
                input.contexts.emplace(name, read_named(context.place));
        return input;
    }

  private:
    // Made when something has to be brought: most contexts are directories.
    ContextLoader& loader() {
        if (!loader_) loader_.emplace(options_, store_, required_lease(store_, lease_));
        return *loader_;
    }

    bool keeps_git_dir() const {
        const auto argument = options_.build_args.find("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
        return argument != options_.build_args.end() && parser::parse_bool(argument->second).value_or(false);
    }

    builder::BuildContext read_named(const std::string& place) const {
        auto found = find_context(place, keeps_git_dir());
        if (const auto* path = std::get_if<std::string>(&found)) return read_directory(*path, "", options_.git_modes);
        return builder::ContextElsewhere{std::get<builder::RemoteContext>(std::move(found)), nullptr,
                                         options_.git_modes};
    }

    BuildInput read_main() {
        if (options_.context == "-") {
            auto given = read_standard_input(store_, max_source);
            if (auto* archive = std::get_if<builder::ArchiveContext>(&given))
                return read_elsewhere(std::move(*archive));
            return read_only_buildfile(std::get<std::string>(std::move(given)));
        }
        auto found = find_context(options_.context, keeps_git_dir());
        if (const auto* path = std::get_if<std::string>(&found)) return read_local(*path);
        return read_elsewhere(std::get<builder::RemoteContext>(std::move(found)));
    }

    BuildInput read_only_buildfile(std::string text) {
        if (options_.file)
            throw Error(ErrorKind::usage,
                        fmt::format("--file: {}: the Buildfile is on standard input", printable(*options_.file)));
        auto empty = TemporaryDirectory::create_in(store_.pending());
        BuildInput input{parser::Source("standard input", std::move(text)), {}, {}, {}, {}};
        input.contexts.emplace("", read_directory(empty.path(), "", options_.git_modes));
        input.empty_context = std::move(empty);
        return input;
    }

    BuildInput read_local(const std::string& directory) {
        const std::string file = options_.file ? *options_.file : options_.source ? "" : find_buildfile(directory);
        BuildInput input{options_.source ? *options_.source : read_beside(directory, file), {}, {}, {}, {}};
        const bool has_path = !file.empty() && file != "-" && !parser::is_http_url(file);
        input.contexts.emplace("", read_directory(directory, has_path ? file : "", options_.git_modes));
        return input;
    }

    parser::Source read_beside(const std::string& directory, const std::string& file) {
        if (!options_.file) return parser::Source(file, read_below(directory, file));
        return parser::is_http_url(file) ? fetch_source(file) : read_source(file);
    }

    parser::Source fetch_source(const std::string& url) { return {url, loader().fetch_text(url, max_source)}; }

    BuildInput read_elsewhere(builder::RemoteContext place) {
        const std::string name = builder::name_of(place);
        std::shared_ptr<const builder::ContextTree> loaded = loader().load(place);
        BuildInput input{options_.source ? *options_.source : find_source(*loaded, name), {}, {}, {}, {}};
        input.fetched = fmt::format("{}: {}{}", name, loaded->detail, loaded->cached ? ", as before" : "");
        input.contexts.emplace("", builder::ContextElsewhere{std::move(place), std::move(loaded), options_.git_modes});
        return input;
    }

    parser::Source find_source(const builder::ContextTree& context, const std::string& name) {
        if (context.single_file) return source_in(context, *context.single_file).value();
        if (options_.file) {
            const std::string& file = *options_.file;
            if (parser::is_http_url(file)) return fetch_source(file);
            if (file == "-" || file.starts_with('/')) return read_source(file);
            if (auto source = source_in(context, file)) return std::move(*source);
            throw Error(ErrorKind::not_found, fmt::format("{}: no such file in {}", printable(file), printable(name)),
                        "with such a context, only an absolute path is one of this machine");
        }
        for (const char* file : buildfile_names)
            if (auto source = source_in(context, file)) return std::move(*source);
        refuse_without_buildfile(name);
    }

    static std::optional<parser::Source> source_in(const builder::ContextTree& context, const std::string& file) {
        std::optional<std::string> text = builder::read_text(context, ImagePath::clean(file), max_source);
        if (!text) return std::nullopt;
        return parser::Source(file, std::move(*text));
    }

    const BuildOptions& options_;
    layerstore::Store& store_;
    layerstore::Store::Lease* lease_;
    std::optional<ContextLoader> loader_;
};

}  // namespace

const parser::IgnoreRules& BuildInput::ignore() const {
    static const parser::IgnoreRules nothing;
    const auto* directory = std::get_if<builder::ContextDirectory>(&contexts.at(""));
    return directory ? directory->ignore : nothing;
}

parser::Source read_source(const std::string& path) {
    Input input = open_input(path);
    return parser::Source(input.name, read_all(*input.reader, max_source, input.name));
}

BuildInput read_build_input(const BuildOptions& options, layerstore::Store& store, layerstore::Store::Lease* lease) {
    return InputReader(options, store, lease).read();
}

}  // namespace imgbuild::cli
