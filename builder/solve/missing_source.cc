// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/missing_source.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/directory.h"
#include "base/error.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

std::string describe(const PlanNode& node) {
    if (const auto* fetch = std::get_if<FetchGit>(&node.operation)) return "git " + printable(text_of(fetch->source));
    const auto* image = std::get_if<FromImage>(&node.operation);
    return printable(image ? "image " + image->image->name : "stage " + node.stage);
}

// "did you mean src/main.c? ", or nothing.
std::string suggest(const std::string& pattern, const std::vector<std::string>& siblings) {
    const ImagePath path = ImagePath::clean(pattern);
    const std::optional<std::string> name = nearest(path.name(), siblings);
    return name ? "did you mean " + printable(path.parent().child(*name).relative()) + "? " : "";
}

std::vector<std::string> names_beside(const std::string& pattern, const layerstore::Tree& tree) {
    std::vector<std::string> names;
    if (const auto directory = tree.directory(tree.resolve(ImagePath::clean(pattern).parent())))
        for (const layerstore::Child& child : directory->children()) names.push_back(child.name);
    return names;
}

// Only what the steps name was scanned, so the directory itself is asked.
std::vector<std::string> names_beside(const std::string& pattern, const ContextDirectory& context) {
    const ImagePath parent = ImagePath::clean(pattern).parent();
    std::vector<std::string> names =
        Directory::open_host(context.path).open_directory(parent, FollowLinks::inside).list();
    std::erase_if(names,
                  [&](const std::string& name) { return context.ignore.match(parent.child(name).relative()).ignored; });
    return names;
}

template <typename Place>
std::string suggest_beside(const std::string& pattern, const Place& place) {
    try {
        return suggest(pattern, names_beside(pattern, place));
    } catch (const Error&) {
        return {};  // a directory that is not there either, or may not be read
    }
}

std::string explain_ignored(const ContextDirectory& context, const parser::IgnoreVerdict& verdict) {
    auto rule = std::ranges::find(context.ignore.rules(), verdict.line, &parser::IgnoreRule::line);
    std::string hint = context.ignore_name + ":" + std::to_string(verdict.line);
    if (rule != context.ignore.rules().end())
        hint += ": the rule " + printable((rule->exception ? "!" : "") + rule->pattern);
    return hint + " hides it from the context, " + printable(context.path);
}

}  // namespace

std::string explain_missing(const TransferSource& source, const NodeResult& input, const Services& services) {
    const auto* files = std::get_if<ContextFiles>(&input.node->operation);
    if (!files)
        return suggest_beside(source.pattern, input.tree) + "it is looked for below the root of " +
               describe(*input.node);
    const BuildContext& any = services.options.contexts.at(files->context);
    if (const auto* elsewhere = std::get_if<ContextElsewhere>(&any))
        return suggest_beside(source.pattern, input.tree) + "paths are below the context, " +
               printable(name_of(elsewhere->place));
    const auto& context = std::get<ContextDirectory>(any);
    const parser::IgnoreVerdict verdict = context.ignore.match(source.pattern);
    if (verdict.ignored) return explain_ignored(context, verdict);
    return suggest_beside(source.pattern, context) + "paths are below the context, " + printable(context.path);
}

}  // namespace imgbuild::builder
