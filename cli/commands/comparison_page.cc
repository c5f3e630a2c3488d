// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/comparison_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"

namespace imgbuild::cli {
namespace {

using builder::FileDifference;
using builder::Finding;

constexpr std::string_view page_style = R"(
:root{color-scheme:light dark;--ink:#1b2330;--soft:#5b6675;--line:#d9dfe7;--paper:#fff;--panel:#f5f7fa;--good:#0a6b3d;--bad:#a3241b;--warm:#8a4b00;--cool:#1d4ed8}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#a3adba;--line:#36404d;--paper:#12161c;--panel:#1a2028;--good:#5fd39a;--bad:#ff8f85;--warm:#f2b566;--cool:#8fb4ff}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main,header{max-width:72rem;margin:0 auto;padding:1.5rem}h1{font-size:1.6rem;margin:0 0 .25rem;overflow-wrap:anywhere}h2{font-size:1.25rem;margin:2.25rem 0 .75rem}h3{font-size:1rem;margin:1.5rem 0 .5rem;overflow-wrap:anywhere}
.verdict{display:inline-block;font-weight:600;padding:.15rem .7rem;border-radius:1rem;border:2px solid currentColor}.good{color:var(--good)}.bad{color:var(--bad)}
code,.value{font-family:ui-monospace,monospace;font-size:.875rem;overflow-wrap:anywhere}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1rem 0}dl.facts dt{color:var(--soft)}dl.facts dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}caption{text-align:left;color:var(--soft);padding-bottom:.35rem}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}thead th{background:var(--panel);font-weight:600}td.n{text-align:right;white-space:nowrap}
.scroll{overflow-x:auto}ol.layers{list-style:none;padding:0;margin:0;display:flex;gap:3px;height:2.5rem}ol.layers li{border-radius:4px;background:var(--line);min-width:.6rem}ol.layers li.differs{background:var(--bad)}
details{border:1px solid var(--line);border-radius:8px;margin:.5rem 0;background:var(--panel)}summary{cursor:pointer;padding:.55rem .8rem;display:flex;flex-wrap:wrap;gap:.3rem .9rem;align-items:baseline}summary code{flex:1 1 20rem}summary::before{content:"\25b8" / ""}details[open]>summary::before{content:"\25be" / ""}
summary:focus-visible,input:focus-visible,a:focus-visible{outline:3px solid var(--cool);outline-offset:2px}.body{padding:0 .8rem .8rem}.kind{font-weight:600;color:var(--warm);white-space:nowrap}.soft{color:var(--soft)}
ins,del{text-decoration:none}del .value{color:var(--bad)}ins .value{color:var(--good)}label{display:block;margin:.5rem 0}input[type=search]{font:inherit;color:inherit;background:var(--paper);border:1px solid var(--soft);border-radius:6px;padding:.4rem .6rem;width:min(28rem,100%)}
.skip{position:absolute;left:-999px}.skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem}@media print{details{break-inside:avoid}label{display:none}}
)";

// Without it the page says the same; with it files can be looked for.
constexpr std::string_view page_script = R"(
const box=document.getElementById("find"),said=document.getElementById("found");
if(box){box.parentElement.hidden=false;box.addEventListener("input",()=>{const w=box.value.toLowerCase();let n=0;for(const d of document.querySelectorAll("details.file")){const hit=d.textContent.toLowerCase().includes(w);d.hidden=!hit;n+=hit}said.textContent=n+" shown"})}
)";

constexpr std::size_t max_shown_files = 5000;

// What printable() left, with no meaning for HTML.
std::string escaped(std::string_view text) {
    std::string html;
    for (const char c : text) {
        switch (c) {
            case '<': html += "&lt;"; break;
            case '>': html += "&gt;"; break;
            case '&': html += "&amp;"; break;
            case '"': html += "&quot;"; break;
            case '\'': html += "&#39;"; break;
            default: html += c;
        }
    }
    return html;
}

std::string page_value(const Json& value) { return value.is_null() ? "" : escaped(printable(write_json(value))); }

std::string before_cell(std::string_view value) {
    return fmt::format("<td><del><span class=value>{}</span></del></td>", escaped(value));
}
std::string after_cell(std::string_view value) {
    return fmt::format("<td><ins><span class=value>{}</span></ins></td>", escaped(value));
}

std::string layer_bar(const ComparedPair& pair) {
    std::string html = "<ol class=layers aria-label=\"layers, the lowest first\">";
    for (const LayerPair& layers : pair.comparison.layers) {
        const ImageSide& side = layers.after ? pair.after : pair.before;
        const std::size_t layer = layers.after ? *layers.after : *layers.before;
        const std::uint64_t size = side.image.manifest.layers[layer].size;
        const std::string what =
            fmt::format("layer {}, {}: {}", layer + 1, human_size(size), layers.same_files ? "the same" : "differs");
        html += fmt::format("<li{} style=\"flex:{}\" title=\"{}\" aria-label=\"{}\"></li>",
                            layers.same_files ? "" : " class=differs", 1 + size / 4096, what, what);
    }
    return html + "</ol>\n";
}

std::string layer_table(const ComparedPair& pair) {
    std::string html =
        "<div class=scroll tabindex=0 role=region aria-label=Layers><table><caption>Layers, the lowest first</caption>"
        "<thead><tr><th scope=col>Layer</th><th scope=col>Made by</th><th scope=col>First</th><th scope=col>Second"
        "</th><th scope=col>Files</th></tr></thead><tbody>\n";
    for (const LayerPair& layers : pair.comparison.layers) {
        const ImageSide& side = layers.after ? pair.after : pair.before;
        const std::size_t layer = layers.after ? *layers.after : *layers.before;
        const LayerOrigin& origin = side.origins.at(layer);
        const auto cell = [](const ImageSide& one, const std::optional<std::size_t>& number) {
            if (!number) return std::string("<td class=soft>none</td>");
            const layerstore::Descriptor& blob = one.image.manifest.layers[*number];
            return fmt::format("<td><code title=\"{}\">{}</code> <span class=soft>{}</span></td>", blob.digest.text(),
                               blob.digest.hex().substr(0, 12), human_size(blob.size));
        };
        html += fmt::format(
            "<tr><th scope=row>{}</th><td><code>{}</code> <span class=soft>{}</span></td>{}{}<td>{}</td></tr>\n",
            layer + 1, escaped(origin.step), escaped(origin.place), cell(pair.before, layers.before),
            cell(pair.after, layers.after),
            layers.same_files ? (layers.same_blob ? "the same" : "the same, compressed otherwise") : "differ");
    }
    return html + "</tbody></table></div>\n";
}

std::string file_block(const FileDifference& file, bool is_open) {
    const builder::KindInfo& cause = builder::about(file.findings.cause());
    std::string html = fmt::format(
        "<details class=file{}><summary><span class=soft>{}</span><code>{}</code><span class=kind>{}</span><span "
        "class=soft>{}</span></summary><div class=body><p>{}. <strong>Remedy:</strong> {}</p>",
        is_open ? " open" : "", change_of(file), escaped(printable(file.path.absolute())), cause.name,
        escaped(sizes_of(file)), escaped(cause.what), escaped(cause.remedy));
    html +=
        "<div class=scroll><table><thead><tr><th scope=col>Kind</th><th scope=col>Where</th><th scope=col>First</th><th "
        "scope=col>Second</th></tr></thead><tbody>";
    for (const Finding& finding : file.findings.list)
        html += fmt::format("<tr><th scope=row>{}</th><td>{}</td>{}{}</tr>", builder::about(finding.kind).name,
                            escaped(finding.where), before_cell(finding.before), after_cell(finding.after));
    html += "</tbody></table></div>";
    if (file.findings.left_out > 0) html += fmt::format("<p class=soft>and {} more</p>", file.findings.left_out);
    return html + "</div></details>\n";
}

std::string files_part(const ComparedPair& pair) {
    const auto& files = pair.comparison.files;
    if (files.empty()) return "<p>No file differs.</p>\n";
    std::map<std::size_t, std::string> layers;
    const bool is_open = files.size() <= 20;
    for (std::size_t i = 0; i < std::min(files.size(), max_shown_files); ++i)
        layers[layer_of(files[i]).value_or(0)] += file_block(files[i], is_open);
    std::string html;
    for (const auto& [layer, blocks] : layers) {
        const ImageSide& side = layer < pair.after.origins.size() ? pair.after : pair.before;
        const LayerOrigin& origin = side.origins.at(layer);
        html += fmt::format("<h3>Layer {} <code>{}</code> <span class=soft>{}</span></h3>\n{}", layer + 1,
                            escaped(origin.step), escaped(origin.place), blocks);
    }
    if (files.size() > max_shown_files)
        html += fmt::format("<p>{} more files differ; --format=json has all of them.</p>\n",
                            files.size() - max_shown_files);
    return html;
}

std::string config_part(const ImageComparison& comparison) {
    if (comparison.config.empty()) return "<p>Config and manifest say the same.</p>\n";
    std::string html =
        "<div class=scroll tabindex=0 role=region aria-label=Config><table><caption>Members of config and "
        "manifest</caption><thead><tr><th scope=col>Member</th><th scope=col>First</th><th "
        "scope=col>Second</th></tr></thead><tbody>\n";
    for (const ConfigDifference& member : comparison.config)
        html += fmt::format(
            "<tr><th scope=row><code>{}</code></th><td><del><span class=value>{}</span></del></td><td>"
            "<ins><span class=value>{}</span></ins></td></tr>\n",
            escaped(printable(member.key)), page_value(member.before), page_value(member.after));
    return html + "</tbody></table></div>\n";
}

std::string pair_part(const ComparedPair& pair) {
    const LayerCounts counts = count_layers(pair);
    const auto side = [](std::string_view which, const ImageSide& one) {
        return fmt::format("<dt>{}</dt><dd>{} <code>{}</code> <span class=soft>{}</span></dd>", which,
                           escaped(printable(one.name)), one.image.descriptor.digest.text(),
                           escaped(printable(one.image.config.platform.text())));
    };
    std::string html =
        "<dl class=facts>" + side("First", pair.before) + side("Second", pair.after) +
        fmt::format(
            "<dt>Layers</dt><dd>{} shared ({}), {} only in the first ({}), {} only in the second ({})</dd>"
            "<dt>Files</dt><dd>{}</dd></dl>\n",
            counts.shared, human_size(counts.bytes_shared), counts.only_before, human_size(counts.bytes_only_before),
            counts.only_after, human_size(counts.bytes_only_after),
            counted(pair.comparison.files.size(), "path differs", "paths differ"));
    return html + layer_bar(pair) + "<h2>Files</h2>\n" + files_part(pair) + "<h2>Layers</h2>\n" + layer_table(pair) +
           "<h2>Config</h2>\n" + config_part(pair.comparison);
}

}  // namespace

std::string comparison_page(const PageHead& head, const std::vector<ComparedPair>& pairs) {
    std::string html = fmt::format(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
        "content=\"width=device-width,initial-scale=1\"><title>{0}: {1}</title><style>{2}</style></head>\n<body><a "
        "class=skip href=\"#main\">To the report</a><header><h1>{0}</h1><p class=\"verdict {3}\">{1}</p>\n",
        escaped(head.title), escaped(head.verdict), page_style, head.is_good ? "good" : "bad");
    if (!head.facts.empty()) {
        html += "<dl class=facts>";
        for (const auto& [what, text] : head.facts)
            html += fmt::format("<dt>{}</dt><dd>{}</dd>", escaped(what), escaped(text));
        html += "</dl>\n";
    }
    html += "</header><main id=main>";
    const bool has_files =
        std::ranges::any_of(pairs, [](const ComparedPair& pair) { return !pair.comparison.files.empty(); });
    if (has_files)
        html +=
            "<label hidden>Find a file <input type=search id=find> <span class=soft id=found role=status></span></label>\n";
    for (const ComparedPair& pair : pairs) html += pair_part(pair);
    return html + fmt::format("</main><script>{}</script></body></html>\n", page_script);
}

}  // namespace imgbuild::cli
