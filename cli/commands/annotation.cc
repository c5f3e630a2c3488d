// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/annotation.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/common/option_values.h"

namespace imgbuild::cli {
namespace {

using Place = Annotation::Place;

constexpr std::string_view annotation_flag = "--annotation";

const std::map<std::string, Place, std::less<>>& places() {
    static const std::map<std::string, Place, std::less<>> known{{"manifest", Place::manifest},
                                                                 {"manifest-descriptor", Place::manifest_descriptor},
                                                                 {"index", Place::index},
                                                                 {"index-descriptor", Place::index_descriptor}};
    return known;
}

// How long the types at the beginning of `text` are; 0 where it begins with a name, which may hold colons, too.
std::size_t length_of_types(std::string_view text) {
    const std::string_view head = text.substr(0, text.find('='));
    const std::size_t colon = head.find(':');
    if (colon == std::string_view::npos) return 0;
    return places().contains(head.substr(0, head.find_first_of(",[:"))) ? colon : 0;
}

Annotation read_type(std::string_view type, std::string_view text) {
    Annotation annotation;
    const std::size_t bracket = type.find('[');
    const auto place = places().find(type.substr(0, bracket));
    if (place == places().end())
        refuse_value(annotation_flag, text, "no such type",
                     "there are manifest, manifest-descriptor, index and index-descriptor");
    annotation.place = place->second;
    if (bracket == std::string_view::npos) return annotation;
    if (!type.ends_with(']')) refuse_value(annotation_flag, text, "the platform does not end in ]");
    if (annotation.is_of_index()) refuse_value(annotation_flag, text, "an index is for all its platforms");
    const std::string_view platform = type.substr(bracket + 1, type.size() - bracket - 2);
    annotation.platform =
        with_context(std::string(annotation_flag), [&] { return layerstore::Platform::parse(platform); });
    return annotation;
}

}  // namespace

std::vector<Annotation> parse_annotation(std::string_view text) {
    const std::size_t length = length_of_types(text);
    const auto [name, value] = parse_pair(length == 0 ? text : text.substr(length + 1), annotation_flag);
    std::vector<Annotation> annotations;
    for (const std::string_view type : split(length == 0 ? "manifest" : text.substr(0, length), ',')) {
        annotations.push_back(read_type(type, text));
        annotations.back().name = name;
        annotations.back().value = value;
    }
    return annotations;
}

std::map<std::string, std::string> annotations_of(const std::vector<Annotation>& annotations, Place place,
                                                  const layerstore::Platform& platform) {
    std::map<std::string, std::string> found;
    for (const Annotation& annotation : annotations)
        if (annotation.place == place && (!annotation.platform || *annotation.platform == platform))
            found.insert_or_assign(annotation.name, annotation.value);
    return found;
}

}  // namespace imgbuild::cli
