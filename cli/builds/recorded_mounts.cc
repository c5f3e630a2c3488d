// SPDX-License-Identifier: Apache-2.0
#include "cli/builds/recorded_mounts.h"

#include <array>

#include "base/error.h"

namespace imgbuild::cli {
namespace {

using parser::CacheSharing;
using parser::Mount;
using parser::MountType;

constexpr std::array types{MountType::bind, MountType::cache, MountType::tmpfs, MountType::secret, MountType::ssh};
constexpr std::array sharings{CacheSharing::shared, CacheSharing::exclusive, CacheSharing::locked};
constexpr const char* what = "mount";

template <class Number>
void put(Json& object, const char* name, const std::optional<Number>& number) {
    if (number) object[name] = *number;
}

template <class Number>
void get(const Json& object, const char* name, std::optional<Number>& number) {
    if (const auto found = optional_integer(object, name, what)) number = static_cast<Number>(*found);
}

bool is_set(const Json& object, const char* name) { return optional_integer(object, name, what).value_or(0) != 0; }

}  // namespace

Json json_of(const builder::RunMount& mount) {
    const Mount& of = mount.mount;
    Json object{{"type", parser::name_of(of.type)}};
    if (!of.target.empty()) object["target"] = mount.target.absolute();
    if (!of.source.empty()) object["source"] = of.source;
    if (!of.id.empty()) object["id"] = of.id;
    if (of.environment) object["env"] = *of.environment;
    if (of.read_only) object["readonly"] = 1;
    if (of.required) object["required"] = 1;
    if (of.sharing != CacheSharing::shared) object["sharing"] = parser::name_of(of.sharing);
    put(object, "mode", of.mode);
    put(object, "uid", of.uid);
    put(object, "gid", of.gid);
    put(object, "size", of.size);
    if (mount.input) object["input"] = 1;
    return object;
}

std::optional<builder::RunMount> mount_from_json(const Json& object) {
    try {
        if (!object.is_object()) return std::nullopt;
        builder::RunMount mount;
        Mount& of = mount.mount;
        const std::string type = required_string(object, "type", what);
        const auto* known = std::ranges::find(types, type, [](MountType one) { return parser::name_of(one); });
        if (known == types.end()) return std::nullopt;
        of.type = *known;
        of.target = optional_string(object, "target", what).value_or("");
        mount.target = ImagePath::clean(of.target);
        of.source = optional_string(object, "source", what).value_or("");
        of.id = optional_string(object, "id", what).value_or("");
        of.environment = optional_string(object, "env", what);
        of.read_only = is_set(object, "readonly");
        of.required = is_set(object, "required");
        const std::string sharing = optional_string(object, "sharing", what).value_or("shared");
        for (const CacheSharing one : sharings)
            if (parser::name_of(one) == sharing) of.sharing = one;
        get(object, "mode", of.mode);
        get(object, "uid", of.uid);
        get(object, "gid", of.gid);
        get(object, "size", of.size);
        if (is_set(object, "input")) mount.input = 0;
        return mount;
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace imgbuild::cli
