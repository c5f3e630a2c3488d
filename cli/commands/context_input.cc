// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/context_input.h"

#include <unistd.h>

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "builder/fetch/unpack.h"
#include "builder/remote/fetched_file.h"
#include "builder/remote/git_files.h"
#include "builder/remote/spooled_tar.h"
#include "builder/remote/unpacked_archive.h"
#include "builder/solve/secrets.h"
#include "cli/common/input.h"
#include "layerstore/layer/tar_writer.h"
#include "parser/instruction/git_url.h"

namespace imgbuild::cli {
namespace {

constexpr std::array ignore_names{".containerignore", ".dockerignore"};

// The way from a directory to a path, links followed; it begins with ".." where the path lies outside.
std::filesystem::path path_inside(const std::string& directory, const std::filesystem::path& path) {
    std::error_code error;
    const std::filesystem::path whole = std::filesystem::canonical(path, error);
    const std::filesystem::path folder = error ? whole : std::filesystem::canonical(directory, error);
    if (error) throw_errno("open", path.string(), error.value());
    return whole.lexically_relative(folder);
}

bool leaves(const std::filesystem::path& inside) { return *inside.begin() == ".."; }

// The ignore rules of a directory, and what errors call them.
std::optional<parser::Source> read_ignore_file(const std::string& directory, const std::string& buildfile) {
    if (const std::string own = buildfile + ".dockerignore"; !buildfile.empty() && is_there(own)) {
        const std::filesystem::path folder = std::filesystem::path(own).parent_path();
        // A Buildfile that lies elsewhere has its rules beside it, wherever they are kept.
        const bool lies_elsewhere = leaves(path_inside(directory, folder.empty() ? "." : folder));
        return parser::Source(own, read_below(lies_elsewhere ? "/" : directory, own));
    }
    for (const char* name : ignore_names)
        if (const std::string path = below(directory, name); is_there(path))
            return parser::Source(name, read_below(directory, path));
    return std::nullopt;
}

std::string agent_socket(const builder::RunSettings& settings) {
    if (std::string socket = builder::default_ssh_socket(settings); !socket.empty()) return socket;
    // Who names a repository on the command line asks for it himself.
    const char* own = std::getenv("SSH_AUTH_SOCK");
    return own ? own : "";
}

}  // namespace

std::string below(const std::string& directory, const std::string& name) {
    if (directory == ".") return name;
    return directory.ends_with('/') ? directory + name : directory + "/" + name;
}

bool is_there(const std::string& path) {
    std::error_code error;
    const std::filesystem::file_type type = std::filesystem::status(path, error).type();
    if (type == std::filesystem::file_type::none) throw_errno("look for", path, error.value());
    return type != std::filesystem::file_type::not_found;
}

std::string read_below(const std::string& directory, const std::string& path) {
    const std::filesystem::path inside = path_inside(directory, path);
    if (leaves(inside))
        throw Error(ErrorKind::usage,
                    fmt::format("{}: is a link that leads out of {}", printable(path), printable(directory)),
                    "put the file itself there");
    // Whatever becomes of the path meanwhile, nothing outside is read, and no pipe is waited for.
    return Directory::open_host(directory).read_file(ImagePath::clean(inside.string()), parser::Source::max_bytes);
}

std::variant<std::string, builder::RemoteContext> find_context(const std::string& place, bool keep_git_dir) {
    if (place.empty()) throw Error(ErrorKind::usage, "CONTEXT: the path is empty");
    std::error_code error;
    const std::filesystem::file_type type = std::filesystem::status(place, error).type();
    if (type == std::filesystem::file_type::directory) return place;
    if (parser::is_git_context(place)) {
        auto source = parser::parse_git_url(place);
        if (const auto* wrong = std::get_if<parser::ValueError>(&source))
            throw Error(ErrorKind::usage, "context: " + printable(wrong->message), wrong->hint);
        auto& git = std::get<parser::GitSource>(source);
        const bool keep = git.keep_git_dir.value_or(keep_git_dir);
        return builder::RemoteContext(builder::GitContext{std::move(git), keep});
    }
    if (parser::is_http_url(place)) return builder::RemoteContext(builder::UrlContext{place});
    if (type == std::filesystem::file_type::not_found)
        throw Error(ErrorKind::not_found, fmt::format("context {}: no such directory", printable(place)));
    if (error) throw_errno("open context", place, error.value());
    return builder::RemoteContext(builder::ArchiveContext{place, nullptr});
}

builder::ContextDirectory read_directory(const std::string& path, const std::string& buildfile, bool git_modes) {
    builder::ContextDirectory context;
    context.path = path;
    context.git_modes = git_modes;
    const std::optional<parser::Source> source = read_ignore_file(path, buildfile);
    if (!source) return context;
    parser::Diagnostics diagnostics;
    context.ignore = parser::IgnoreRules::parse(*source, diagnostics);
    context.ignore_name = source->name();
    if (diagnostics.has_errors())
        throw Error(ErrorKind::usage, fmt::format("{}: malformed ignore rules", printable(source->name())),
                    diagnostics.render(*source));
    return context;
}

std::variant<builder::ArchiveContext, std::string> read_standard_input(layerstore::Store& store, std::uint64_t limit) {
    Input input = open_input("-");
    std::string first = read_ahead(*input.reader, layerstore::tar_block);
    const bool is_archive = builder::looks_like_archive(first);
    PrefixedReader whole(std::move(first), *input.reader);
    if (!is_archive) return read_all(whole, limit, input.name);
    auto file = std::make_shared<const Fd>(builder::make_unnamed_file(store.pending()));
    FdWriter writer(file->get(), input.name);
    copy_all(whole, writer);
    return builder::ArchiveContext{input.name, std::move(file)};
}

layerstore::Store::Lease& required_lease(const layerstore::Store& store, layerstore::Store::Lease* lease) {
    if (!lease)
        throw Error(ErrorKind::denied,
                    fmt::format("bring a context: {}: the store is opened for reading only", store.path()),
                    "name another with --store");
    return *lease;
}

ContextLoader::ContextLoader(const BuildOptions& options, layerstore::Store& store, layerstore::Store::Lease& lease)
    : git_modes_(options.git_modes),
      memos_(store.records()),
      workers_(available_processors()),
      access_{store,
              lease,
              memos_,
              workers_,
              options.solve.offline,
              options.solve.no_cache,
              builder::find_secret_in(options.solve.run),
              agent_socket(options.solve.run)} {}

std::shared_ptr<const builder::ContextTree> ContextLoader::load(const builder::RemoteContext& context) {
    return std::make_shared<const builder::ContextTree>(builder::load_context(context, access_, git_modes_));
}

std::optional<std::int64_t> ContextLoader::time_of(const builder::RemoteContext& context) {
    return builder::time_of(context, access_);
}

void ContextLoader::fetch(const builder::FetchUrl& url) { builder::fetch_to_store(url.url, url.checksum, access_); }

void ContextLoader::fetch(const builder::FetchGit& git) {
    builder::fetch_git_files(git.source, git.keep_git_dir, access_);
}

std::string ContextLoader::fetch_text(const std::string& url, std::uint64_t limit) {
    const builder::RemoteFile file = builder::fetch_to_store(url, "", access_);
    return read_all(*access_.store.blobs().open(file.content.blob, file.content.size, url), limit, url);
}

}  // namespace imgbuild::cli
