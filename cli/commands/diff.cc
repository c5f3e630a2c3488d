// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/commands/image_difference.h"
#include "cli/commands/image_tree.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {
namespace {

using FileChange = FileDifference::Kind;

std::string_view word_of(FileChange kind) {
    return kind == FileChange::added ? "added" : kind == FileChange::removed ? "removed" : "changed";
}

std::string size_of(const FileDifference& file) {
    if (file.kind != FileChange::changed) return human_size(std::max(file.size_before, file.size_after));
    return file.size_before == file.size_after
               ? human_size(file.size_after)
               : fmt::format("{} -> {}", human_size(file.size_before), human_size(file.size_after));
}

std::string line_of(const FileDifference& file) {
    const char mark = file.kind == FileChange::added ? '+' : file.kind == FileChange::removed ? '-' : '~';
    std::string line = fmt::format("{} {}", mark, printable(file.path.absolute()));
    if (file.size_before + file.size_after > 0) line += fmt::format("  {}", size_of(file));
    if (!file.what.empty()) line += fmt::format("  ({})", join(file.what, ", "));
    return line + "\n";
}

std::string value_of(const Json& value) { return value.is_null() ? "-" : printable(write_json(value)); }

std::string as_text(const ImageDifference& difference) {
    std::string text;
    for (const FileDifference& file : difference.files) text += line_of(file);
    for (const ConfigDifference& member : difference.config)
        text +=
            fmt::format("{}:\n  {}\n  {}\n", printable(member.key), value_of(member.before), value_of(member.after));
    const LayerDifference& layers = difference.layers;
    return text + fmt::format(
                      "{} differ, {} of files -> {}; layers: {} shared ({}), {} only in the first ({}), {} only "
                      "in the second ({})\n",
                      counted(difference.files.size(), "path", "paths"), human_size(difference.file_bytes_before),
                      human_size(difference.file_bytes_after), layers.shared, human_size(layers.bytes_shared),
                      layers.only_before, human_size(layers.bytes_only_before), layers.only_after,
                      human_size(layers.bytes_only_after));
}

Json side_of(const builder::ResolvedImage& image, std::uint64_t file_bytes) {
    return {{"name", printable(image.name)},
            {"digest", image.image.descriptor.digest.text()},
            {"platform", image.image.config.platform.text()},
            {"fileBytes", file_bytes}};
}

std::string as_json(const ImageDifference& difference, const builder::ResolvedImage& before,
                    const builder::ResolvedImage& after) {
    Json files = Json::array();
    for (const FileDifference& file : difference.files)
        files.push_back({{"path", printable(file.path.absolute())},
                         {"change", word_of(file.kind)},
                         {"sizeBefore", file.size_before},
                         {"sizeAfter", file.size_after},
                         {"what", file.what}});
    Json config = Json::array();
    for (const ConfigDifference& member : difference.config)
        config.push_back({{"key", member.key}, {"before", member.before}, {"after", member.after}});
    const LayerDifference& layers = difference.layers;
    auto counts = [](std::size_t count, std::uint64_t bytes) { return Json{{"count", count}, {"bytes", bytes}}; };
    return write_json_indented({{"before", side_of(before, difference.file_bytes_before)},
                                {"after", side_of(after, difference.file_bytes_after)},
                                {"files", files},
                                {"config", config},
                                {"layers",
                                 {{"shared", counts(layers.shared, layers.bytes_shared)},
                                  {"onlyBefore", counts(layers.only_before, layers.bytes_only_before)},
                                  {"onlyAfter", counts(layers.only_after, layers.bytes_only_after)}}}}) +
           "\n";
}

}  // namespace

int run_diff(Arguments arguments) {
    OptionSet options("diff [flags] BEFORE AFTER",
                      "Says what tells two images apart: files, config and layers. Each is a name in the store, a path "
                      "(/… or ./…) of a layout or an archive, or oci-layout://PATH[:TAG]");
    CommonOptions common;
    std::optional<std::string> before_name, after_name, platform, format;
    bool with_times = false;
    options.positional("BEFORE", before_name);
    options.positional("AFTER", after_name);
    options.value("--format", format, "FORMAT", "text (the default) or json");
    options.flag("--times", with_times, "times of files count as well");
    add_platform(options, platform);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    if (format && *format != "text" && *format != "json")
        throw Error(ErrorKind::usage, fmt::format("--format: {}: no such format", printable(*format)),
                    "there are text and json");

    const std::unique_ptr<layerstore::Store> store = open_store(common);
    ImageSources sources(*store, platform);
    const auto before = sources.find(*before_name);
    const auto after = sources.find(*after_name);
    const builder::SolvedImage before_files = sources.read(before, {});
    const builder::SolvedImage after_files = sources.read(after, {});
    const ImageDifference difference =
        compare_images({before->image, before_files.tree}, {after->image, after_files.tree}, with_times);
    print(format == "json" ? as_json(difference, *before, *after) : as_text(difference));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
