// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/context/context_list.h"
#include "cli/commands/commands.h"
#include "cli/commands/context_input.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/table.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

using builder::ListedPath;
using layerstore::EntryKind;

std::string_view name_of_kind(EntryKind kind) noexcept {
    switch (kind) {
        case EntryKind::file: return "file";
        case EntryKind::directory: return "directory";
        case EntryKind::symlink: return "symlink";
        case EntryKind::fifo: return "fifo";
        case EntryKind::character_device: return "character device";
        case EntryKind::block_device: return "block device";
    }
    return "";
}

struct Listing {
    std::vector<ListedPath> paths;
    builder::ContextDirectory directory;  ///< its rules are those that leave paths out

    std::string rule_at(std::size_t line) const {
        const auto rule = std::ranges::find(directory.ignore.rules(), line, &parser::IgnoreRule::line);
        if (rule == directory.ignore.rules().end()) return {};
        return (rule->exception ? "!" : "") + rule->pattern;
    }
    std::uint64_t files() const {
        return static_cast<std::uint64_t>(std::ranges::count_if(
            paths, [](const ListedPath& path) { return path.is_included() && path.kind == EntryKind::file; }));
    }
    std::uint64_t bytes() const {
        std::uint64_t sum = 0;
        for (const ListedPath& path : paths)
            if (path.is_included()) sum += path.size;
        return sum;
    }
};

Listing list_elsewhere(const builder::RemoteContext& place, const CommonOptions& common) {
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const std::unique_ptr<layerstore::Store::Lease> lease = store->lease();
    const BuildOptions options;
    const auto context = ContextLoader(options, *store, *lease).load(place);
    Listing listing;
    context->tree.walk([&](const ImagePath& path, const layerstore::Child& child) {
        listing.paths.push_back({std::string(path.relative()), child.entry.kind, child.entry.size, 0});
        return true;
    });
    return listing;
}

Listing list(const std::string& place, const std::string& buildfile, const CommonOptions& common) {
    const auto found = find_context(place, false);
    const auto* path = std::get_if<std::string>(&found);
    if (!path) return list_elsewhere(std::get<builder::RemoteContext>(found), common);
    Listing listing;
    listing.directory = read_directory(*path, buildfile, false);
    listing.paths = builder::list_context(Directory::open_host(*path), listing.directory.ignore);
    return listing;
}

std::string as_json(const Listing& listing, const std::string& place) {
    Json entries = Json::array();
    for (const ListedPath& path : listing.paths) {
        Json entry{{"path", printable(path.path)}, {"kind", name_of_kind(path.kind)}, {"included", path.is_included()}};
        if (path.kind == EntryKind::file) entry["size"] = path.size;
        if (!path.is_included()) {
            entry["ignoreFile"] = printable(listing.directory.ignore_name);
            entry["line"] = path.rule_line;
            entry["rule"] = printable(listing.rule_at(path.rule_line));
        }
        entries.push_back(std::move(entry));
    }
    const Json document{{"context", printable(place)},
                        {"ignoreFile", printable(listing.directory.ignore_name)},
                        {"files", listing.files()},
                        {"bytes", listing.bytes()},
                        {"entries", std::move(entries)}};
    return write_json_indented(document) + "\n";
}

std::string as_table(const Listing& listing) {
    Table table({"SIZE", "PATH", "LEFT OUT BY"});
    for (const ListedPath& path : listing.paths) {
        const bool is_directory = path.kind == EntryKind::directory;
        std::string reason;
        if (!path.is_included())
            reason = fmt::format("{}:{}: {}", listing.directory.ignore_name, path.rule_line,
                                 listing.rule_at(path.rule_line));
        table.add({path.kind == EntryKind::file ? human_size(path.size) : "-", path.path + (is_directory ? "/" : ""),
                   reason});
    }
    const auto left_out = std::ranges::count_if(listing.paths, [](const ListedPath& p) { return !p.is_included(); });
    return table.text() + fmt::format("{}, {} in the context; {} left out\n", counted(listing.files(), "file", "files"),
                                      human_size(listing.bytes()),
                                      counted(static_cast<std::uint64_t>(left_out), "path", "paths"));
}

}  // namespace

int run_context(Arguments arguments) {
    OptionSet options("context ls [flags] [CONTEXT]",
                      "Lists what is in a context (here: .), and which line of its ignore file leaves out what is not");
    std::optional<std::string> action, place, file, format;
    CommonOptions common;
    options.positional("ls", action);
    options.positional("CONTEXT", place, false);
    options.value("-f,--file", file, "FILE", "the Buildfile, whose FILE.dockerignore goes before .dockerignore");
    options.value("--format", format, "FORMAT", "table or json");
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    if (*action != "ls")
        throw Error(ErrorKind::usage, fmt::format("context {}: no such action", printable(*action)), "there is ls");
    const std::string chosen = format.value_or("table");
    if (chosen != "table" && chosen != "json")
        throw Error(ErrorKind::usage, fmt::format("--format: {}: no such format", printable(chosen)),
                    "there are table and json");
    const std::string context = place.value_or(".");
    const Listing listing = list(context, file.value_or(""), common);
    print(chosen == "json" ? as_json(listing, context) : as_table(listing));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
