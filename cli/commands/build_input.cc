// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/build_input.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "base/compression.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/common/input.h"

namespace imgbuild::cli {
namespace {

constexpr std::array buildfile_names{"Buildfile", "Containerfile", "Dockerfile"};
constexpr std::array ignore_names{".containerignore", ".dockerignore"};

bool is_there(const std::string& path) {
    std::error_code error;
    const std::filesystem::file_type type = std::filesystem::status(path, error).type();
    if (type == std::filesystem::file_type::none) throw_errno("look for", path, error.value());
    return type != std::filesystem::file_type::not_found;
}

std::string below(const std::string& directory, const std::string& name) {
    if (directory == ".") return name;
    return directory.ends_with('/') ? directory + name : directory + "/" + name;
}

void require_directory(const std::string& path) {
    if (path.empty()) throw Error(ErrorKind::usage, "CONTEXT: the path is empty");
    std::error_code error;
    const std::filesystem::file_type type = std::filesystem::status(path, error).type();
    if (type == std::filesystem::file_type::not_found)
        throw Error(ErrorKind::not_found, fmt::format("context {}: no such directory", printable(path)));
    if (error) throw_errno("open context", path, error.value());
    if (type != std::filesystem::file_type::directory)
        throw Error(ErrorKind::usage, fmt::format("context {}: not a directory", printable(path)),
                    "a Buildfile is named with -f");
}

std::string find_buildfile(const std::string& context) {
    for (const char* name : buildfile_names)
        if (std::string path = below(context, name); is_there(path)) return path;
    throw Error(ErrorKind::not_found,
                fmt::format("no Buildfile, Containerfile or Dockerfile in {}", printable(context)), "name one with -f");
}

// A tar comes on standard input where docker takes one; it is no Buildfile and should not be read as one.
void refuse_archive(const parser::Source& source) {
    const std::string& text = source.text();
    const bool is_tar = text.size() > 262 && text.compare(257, 5, "ustar") == 0;
    if (is_tar || detect_compression(text.substr(0, 16)) != Compression::none)
        throw Error(ErrorKind::usage, "standard input: an archive as context is not supported",
                    "unpack it, and name the directory");
}

struct IgnoreFile {
    std::string path;
    std::string name;  ///< as errors call it
};

std::optional<IgnoreFile> find_ignore_file(const std::string& directory, const std::string& buildfile) {
    if (const std::string own = buildfile + ".dockerignore"; !buildfile.empty() && is_there(own))
        return IgnoreFile{own, own};
    for (const char* name : ignore_names)
        if (std::string path = below(directory, name); is_there(path)) return IgnoreFile{path, name};
    return std::nullopt;
}

// `buildfile` is empty for a context that is not the main one, and for a Buildfile without a path.
builder::ContextDirectory read_context(const std::string& path, const std::string& buildfile, bool git_modes) {
    require_directory(path);
    builder::ContextDirectory context;
    context.path = path;
    context.git_modes = git_modes;
    const std::optional<IgnoreFile> file = find_ignore_file(path, buildfile);
    if (!file) return context;
    Input input = open_input(file->path);
    const parser::Source source(file->name, read_all(*input.reader, parser::Source::max_bytes, input.name));
    parser::Diagnostics diagnostics;
    context.ignore = parser::IgnoreRules::parse(source, diagnostics);
    context.ignore_name = file->name;
    if (diagnostics.has_errors())
        throw Error(ErrorKind::usage, fmt::format("{}: malformed ignore rules", printable(file->path)),
                    diagnostics.render(source));
    return context;
}

}  // namespace

parser::Source read_source(const std::string& path) {
    Input input = open_input(path);
    return parser::Source(input.name, read_all(*input.reader, parser::Source::max_bytes, input.name));
}

BuildInput read_build_input(const BuildOptions& options, layerstore::Store& store) {
    const bool is_from_stdin = options.context == "-";
    std::optional<TemporaryDirectory> empty;
    if (is_from_stdin)
        empty = TemporaryDirectory::create_in(store.pending());
    else
        require_directory(options.context);
    const std::string directory = empty ? empty->path() : options.context;
    const std::string file = is_from_stdin ? "-" : options.file ? *options.file : find_buildfile(directory);

    BuildInput input{read_source(file), {}, std::move(empty)};
    if (is_from_stdin) refuse_archive(input.source);
    input.contexts.emplace("", read_context(directory, file == "-" ? "" : file, options.git_modes));
    for (const auto& [name, context] : options.contexts)
        if (context.kind == builder::NamedContext::Kind::directory)
            input.contexts.emplace(name, read_context(context.place, "", options.git_modes));
    return input;
}

}  // namespace imgbuild::cli
