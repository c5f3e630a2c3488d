// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/comparison_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "cli/common/option_values.h"

namespace imgbuild::cli {
namespace {

using builder::FileDifference;
using builder::Finding;

std::string value_of(const Json& value) { return value.is_null() ? "-" : printable(write_json(value)); }

std::string config_text(const ImageComparison& comparison, std::string_view indent) {
    std::string text;
    for (const ConfigDifference& member : comparison.config)
        text += fmt::format("{0}{1}:\n{0}  {2}\n{0}  {3}\n", indent, printable(member.key), value_of(member.before),
                            value_of(member.after));
    return text;
}

std::string origin_text(const ImageSide& side, std::size_t layer) {
    const LayerOrigin& origin = side.origins.at(layer);
    std::string text = origin.step.empty() ? side.image.manifest.layers[layer].digest.text() : origin.step;
    if (!origin.place.empty()) text += fmt::format(" ({})", origin.place);
    return text;
}

std::string layer_text(const ComparedPair& pair, std::size_t layer) {
    const bool is_after = layer < pair.after.image.manifest.layers.size();
    return fmt::format("layer {} of {}: {}\n", layer + 1,
                       std::max(pair.before.image.manifest.layers.size(), pair.after.image.manifest.layers.size()),
                       origin_text(is_after ? pair.after : pair.before, layer));
}

std::string file_text(const FileDifference& file) {
    const builder::KindInfo& cause = builder::about(file.findings.cause());
    std::string text = fmt::format("  {}: {}: {}\n", printable(file.path.absolute()), cause.name, cause.what);
    for (const Finding& finding : file.findings.list) {
        const std::string_view name = builder::about(finding.kind).name;
        text += fmt::format("      {}{}\n", finding.kind == cause.kind ? "" : fmt::format("{}: ", name),
                            finding_text(finding));
    }
    if (file.findings.left_out > 0) text += fmt::format("      and {} more\n", file.findings.left_out);
    return text + fmt::format("      remedy: {}\n", cause.remedy);
}

Json finding_json(const Finding& finding) {
    return {{"kind", builder::about(finding.kind).name},
            {"where", finding.where},
            {"before", finding.before},
            {"after", finding.after}};
}

Json file_json(const FileDifference& file) {
    const builder::KindInfo& cause = builder::about(file.findings.cause());
    Json json{{"path", printable(file.path.absolute())},
              {"change", change_of(file)},
              {"sizeBefore", file.before.size()},
              {"sizeAfter", file.after.size()}};
    if (file.before.layer) json["layerBefore"] = *file.before.layer;
    if (file.after.layer) json["layerAfter"] = *file.after.layer;
    json["cause"] = cause.name;
    json["what"] = cause.what;
    json["remedy"] = cause.remedy;
    json["findings"] = Json::array();
    for (const Finding& finding : file.findings.list) json["findings"].push_back(finding_json(finding));
    if (file.findings.left_out > 0) json["leftOut"] = file.findings.left_out;
    return json;
}

Json side_json(const ImageSide& side) {
    return {{"name", printable(side.name)},
            {"digest", side.image.descriptor.digest.text()},
            {"platform", side.image.config.platform.text()}};
}

Json layers_json(const ComparedPair& pair) {
    Json list = Json::array();
    for (const LayerPair& layers : pair.comparison.layers) {
        Json json{{"same", layers.same_files}};
        const auto add = [&](const char* member, const ImageSide& side, const std::optional<std::size_t>& layer) {
            if (!layer) return;
            json[member] = {{"layer", *layer},
                            {"digest", side.image.manifest.layers[*layer].digest.text()},
                            {"diffId", side.image.config.diff_ids[*layer].value.text()},
                            {"bytes", side.image.manifest.layers[*layer].size}};
            const LayerOrigin& origin = side.origins.at(*layer);
            if (!origin.step.empty()) json["step"] = origin.step;
            if (!origin.place.empty()) json["place"] = origin.place;
        };
        add("before", pair.before, layers.before);
        add("after", pair.after, layers.after);
        list.push_back(std::move(json));
    }
    return list;
}

}  // namespace

char mark_of(const FileDifference& file) noexcept {
    if (file.before.is_present() && file.after.is_present()) return '~';
    if (file.before.presence == builder::EntryState::Presence::absent) return '+';
    if (file.after.presence == builder::EntryState::Presence::absent) return '-';
    return file.before.is_present() ? '<' : '>';
}

std::string_view change_of(const FileDifference& file) noexcept {
    switch (mark_of(file)) {
        case '+': return "added";
        case '-': return "removed";
        case '<': return "only in the first's layers";
        case '>': return "only in the second's layers";
        default: return "changed";
    }
}

std::string sizes_of(const FileDifference& file) {
    const std::uint64_t before = file.before.size(), after = file.after.size();
    if (before + after == 0) return "";
    if (before == after || mark_of(file) != '~') return human_size(std::max(before, after));
    return fmt::format("{} -> {}", human_size(before), human_size(after));
}

std::string finding_text(const Finding& finding) {
    std::string text = finding.where;
    if (finding.before.empty() && finding.after.empty()) return text;
    if (!text.empty()) text += ": ";
    return text + fmt::format("{} | {}", finding.before, finding.after);
}

std::optional<std::size_t> layer_of(const FileDifference& file) noexcept {
    return file.after.layer ? file.after.layer : file.before.layer;
}

LayerCounts count_layers(const ComparedPair& pair) {
    LayerCounts counts;
    for (const LayerPair& layers : pair.comparison.layers) {
        const auto bytes = [](const ImageSide& side, std::size_t layer) {
            return side.image.manifest.layers[layer].size;
        };
        if (layers.same_files) {
            ++counts.shared;
            counts.bytes_shared += bytes(pair.after, *layers.after);
            continue;
        }
        if (layers.before) {
            ++counts.only_before;
            counts.bytes_only_before += bytes(pair.before, *layers.before);
        }
        if (layers.after) {
            ++counts.only_after;
            counts.bytes_only_after += bytes(pair.after, *layers.after);
        }
    }
    return counts;
}

std::string diff_text(const ComparedPair& pair) {
    std::string text;
    bool has_unknown = false;
    for (const FileDifference& file : pair.comparison.files) {
        text += fmt::format("{} {}", mark_of(file), printable(file.path.absolute()));
        if (const std::string sizes = sizes_of(file); !sizes.empty()) text += "  " + sizes;
        text += "\n";
        has_unknown = has_unknown || mark_of(file) == '<' || mark_of(file) == '>';
        for (const Finding& finding : file.findings.list)
            if (finding.kind != builder::DifferenceKind::presence)
                text += fmt::format("    {}: {}\n", builder::about(finding.kind).name, finding_text(finding));
        if (file.findings.left_out > 0) text += fmt::format("    and {} more\n", file.findings.left_out);
    }
    text += config_text(pair.comparison, "");
    if (has_unknown)
        text +=
            "< and > stand in layers of the first or the second alone; what the other has there is in layers that "
            "both share, which were not read\n";
    const LayerCounts layers = count_layers(pair);
    return text +
           fmt::format("{}; layers: {} shared ({}), {} only in the first ({}), {} only in the second ({})\n",
                       pair.comparison.is_equal ? "equal"
                                                : counted(pair.comparison.files.size(), "path differs", "paths differ"),
                       layers.shared, human_size(layers.bytes_shared), layers.only_before,
                       human_size(layers.bytes_only_before), layers.only_after, human_size(layers.bytes_only_after));
}

std::string cause_text(const ComparedPair& pair) {
    std::map<std::size_t, std::string> layers;
    for (const LayerPair& pairs : pair.comparison.layers) {
        const std::size_t layer = pairs.after ? *pairs.after : *pairs.before;
        if (!pairs.same_files) layers.emplace(layer, layer_text(pair, layer));
        if (pairs.same_files && !pairs.same_blob)
            layers.emplace(layer, layer_text(pair, layer) + "  the same files, compressed otherwise\n");
    }
    for (const FileDifference& file : pair.comparison.files)
        if (const auto layer = layer_of(file)) layers[*layer] += file_text(file);
    std::string text;
    for (const auto& [layer, lines] : layers) text += lines;
    if (!pair.comparison.config.empty()) text += "config\n" + config_text(pair.comparison, "  ");
    return text;
}

Json comparison_json(const ComparedPair& pair) {
    Json files = Json::array();
    for (const FileDifference& file : pair.comparison.files) files.push_back(file_json(file));
    Json config = Json::array();
    for (const ConfigDifference& member : pair.comparison.config)
        config.push_back({{"key", printable(member.key)}, {"before", member.before}, {"after", member.after}});
    return {{"equal", pair.comparison.is_equal},
            {"before", side_json(pair.before)},
            {"after", side_json(pair.after)},
            {"layers", layers_json(pair)},
            {"sharedLayersKnown", pair.comparison.knows_shared},
            {"files", std::move(files)},
            {"config", std::move(config)}};
}

void check_report_format(const std::optional<std::string>& format) {
    if (format && *format != "text" && *format != "json" && *format != "html")
        refuse_value("--format", *format, "no such format", "there are text, json and html");
}

}  // namespace imgbuild::cli
