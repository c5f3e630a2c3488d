// SPDX-License-Identifier: Apache-2.0
#include "parser/instruction/mount.h"

#include "base/error.h"
#include "base/text.h"
#include "parser/instruction/values.h"
#include "parser/source/path_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace imgbuild::parser {
namespace {

constexpr std::array<std::string_view, 19> keys{
    "type", "from",     "source", "src", "target",  "dst",  "destination", "readonly", "ro", "readwrite",
    "rw",   "required", "size",   "id",  "sharing", "mode", "uid",         "gid",      "env"};

constexpr std::array<std::string_view, 5> type_names{"bind", "cache", "tmpfs", "secret", "ssh"};
constexpr std::array<std::string_view, 3> sharing_names{"shared", "private", "locked"};

bool is_flag_key(std::string_view key) {
    return key == "readonly" || key == "ro" || key == "readwrite" || key == "rw" || key == "required";
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
    const std::optional<std::string> near = nearest(word, candidates);
    return near ? fmt::format("did you mean {}?", *near) : fmt::format("one of {}", fmt::join(candidates, ", "));
}

/// Makes a Mount of expanded options, in their order, because some are judged by the type that stands before
/// them.
class MountReader {
  public:
    explicit MountReader(Mount& mount) : mount_(mount) {}

    /// Takes one option; `value` is empty for a bare key.
    std::optional<ValueError> take(std::string_view key, const std::optional<std::string>& value);
    /// Checks the whole and fills in the defaults.
    std::optional<ValueError> finish();

  private:
    std::optional<ValueError> set_type(const std::string& value);
    std::optional<ValueError> set_switch(std::string_view key, const std::optional<std::string>& value);
    std::optional<ValueError> set_sharing(const std::string& value);
    std::optional<ValueError> set_size(const std::string& value);
    std::optional<ValueError> check_type_rules() const;
    std::optional<ValueError> check_secret() const;
    bool is_credential() const { return mount_.type == MountType::secret || mount_.type == MountType::ssh; }

    static std::optional<ValueError> set_number(std::string_view key, const std::string& value,
                                                std::optional<std::uint32_t>& out);

    Mount& mount_;
    std::optional<bool> read_only_;
    std::optional<CacheSharing> sharing_;
};

std::optional<ValueError> MountReader::set_type(const std::string& value) {
    const auto known = std::ranges::find(type_names, value);
    if (known == type_names.end())
        return ValueError{fmt::format("unsupported mount type \"{}\"", value), did_you_mean(value, type_names)};
    mount_.type = static_cast<MountType>(known - type_names.begin());
    return std::nullopt;
}

std::optional<ValueError> MountReader::set_switch(std::string_view key, const std::optional<std::string>& value) {
    const std::optional<bool> on = value ? parse_bool(*value) : true;
    if (!on) return ValueError{fmt::format("invalid value for {}: {}", key, *value), "write true or false"};
    if (key == "required") {
        if (!is_credential()) {
            return ValueError{fmt::format("unexpected key 'required' for mount type '{}'", name_of(mount_.type)),
                              "secret and ssh mounts know it; type= must stand before it"};
        }
        mount_.required = *on;
    } else {
        read_only_ = (key == "ro" || key == "readonly") == *on;
    }
    return std::nullopt;
}

std::optional<ValueError> MountReader::set_sharing(const std::string& value) {
    const std::string lower = to_lower(value);
    const auto known = std::ranges::find(sharing_names, lower);
    if (known == sharing_names.end()) {
        return ValueError{fmt::format("unsupported sharing value \"{}\"", value), did_you_mean(value, sharing_names)};
    }
    sharing_ = static_cast<CacheSharing>(known - sharing_names.begin());
    return std::nullopt;
}

std::optional<ValueError> MountReader::set_size(const std::string& value) {
    if (mount_.type != MountType::tmpfs) {
        return ValueError{fmt::format("unexpected key 'size' for mount type '{}'", name_of(mount_.type)),
                          "tmpfs mounts know it; type= must stand before it"};
    }
    mount_.size = parse_size(value);
    if (!mount_.size)
        return ValueError{fmt::format("invalid value for size: {}", value), "write bytes, or a number with k, m or g"};
    return std::nullopt;
}

std::optional<ValueError> MountReader::set_number(std::string_view key, const std::string& value,
                                                  std::optional<std::uint32_t>& out) {
    if (key == "mode") {
        out = parse_octal(value, 07777);
        if (!out)
            return ValueError{fmt::format("invalid value {} for mode", value), "write an octal number up to 7777"};
        return std::nullopt;
    }
    const std::optional<std::uint64_t> number = parse_unsigned(value);
    if (!number || *number >= std::numeric_limits<std::uint32_t>::max()) {
        return ValueError{fmt::format("invalid value {} for {}", value, key), "write a numeric id"};
    }
    out = static_cast<std::uint32_t>(*number);
    return std::nullopt;
}

std::optional<ValueError> MountReader::take(std::string_view key, const std::optional<std::string>& value) {
    if (is_flag_key(key)) return set_switch(key, value);
    if (key == "type") return set_type(*value);
    if (key == "sharing") return set_sharing(*value);
    if (key == "size") return set_size(*value);
    if (key == "mode") return set_number(key, *value, mount_.mode);
    if (key == "uid") return set_number(key, *value, mount_.uid);
    if (key == "gid") return set_number(key, *value, mount_.gid);
    if (key == "id") mount_.id = *value;
    if (key == "env") mount_.environment = *value;
    if (key == "source" || key == "src") mount_.source = *value;
    if (key == "target" || key == "dst" || key == "destination") mount_.target = *value;
    return std::nullopt;
}

std::optional<ValueError> MountReader::check_secret() const {
    if (mount_.from) return ValueError{"secret mount should not have a from", "a secret is given with --secret"};
    if (sharing_) return ValueError{"secret mount should not define sharing", ""};
    if (mount_.source.empty() && mount_.target.empty() && mount_.id.empty()) {
        return ValueError{"invalid secret mount. one of source, target required", "name the secret with id="};
    }
    if (!mount_.source.empty() && !mount_.id.empty()) return ValueError{"both source and id can't be set", "keep id="};
    return std::nullopt;
}

std::optional<ValueError> MountReader::check_type_rules() const {
    const std::string_view type = name_of(mount_.type);
    if (mount_.type == MountType::bind || mount_.type == MountType::tmpfs) {
        const auto refused = [&](std::string_view key) {
            return ValueError{fmt::format("{} not allowed for \"{}\" type mounts", key, type),
                              "cache, secret and ssh mounts know it"};
        };
        if (mount_.mode) return refused("mode");
        if (mount_.uid) return refused("uid");
        if (mount_.gid) return refused("gid");
    }
    if (mount_.type == MountType::secret) {
        if (std::optional<ValueError> error = check_secret()) return error;
    } else if (mount_.type == MountType::ssh) {
        if (!mount_.source.empty()) return ValueError{"ssh does not support source", "name the agent with id="};
        if (mount_.from) return ValueError{"ssh mount should not have a from", ""};
    }
    if (sharing_ && mount_.type != MountType::cache) {
        return ValueError{fmt::format("invalid cache sharing set for {} mount", type), "only cache mounts are shared"};
    }
    if (mount_.environment && mount_.type != MountType::secret) {
        return ValueError{fmt::format("unexpected key 'env' for mount type '{}'", type), "secret mounts know it"};
    }
    const bool needs_target = mount_.type == MountType::cache || mount_.type == MountType::tmpfs;
    if (needs_target && mount_.target.empty())
        return ValueError{fmt::format("{} mount has no target", type), "add target=/path"};
    if (!mount_.target.empty() && clean_path(mount_.target) == "/") {
        return ValueError{fmt::format("invalid mount target \"{}\"", mount_.target),
                          "the root itself cannot be mounted over"};
    }
    return std::nullopt;
}

std::optional<ValueError> MountReader::finish() {
    if (std::optional<ValueError> error = check_type_rules()) return error;
    mount_.read_only = read_only_.value_or(mount_.type == MountType::bind);
    mount_.sharing = sharing_.value_or(CacheSharing::shared);
    switch (mount_.type) {
        case MountType::bind:
        case MountType::tmpfs: break;
        case MountType::cache:
            if (mount_.id.empty()) mount_.id = clean_path(mount_.target);
            break;
        case MountType::secret:
            if (mount_.id.empty()) mount_.id = std::exchange(mount_.source, {});
            if (mount_.id.empty()) mount_.id = split(clean_path(mount_.target), '/').back();
            break;
        case MountType::ssh:
            if (mount_.id.empty()) mount_.id = "default";
            break;
    }
    return std::nullopt;
}

/// The places of the fields; of each the whole flag where quotes, escapes or joined lines make it another text than
/// the one in the file.
std::vector<Span> places_of(const std::vector<std::string>& fields, const Word& flag) {
    constexpr std::size_t name_size = std::string_view("--mount=").size();
    const bool verbatim = flag.span.size() == name_size + flag.text.size() && flag.text.find('"') == std::string::npos;
    std::vector<Span> places(fields.size(), flag.span);
    if (!verbatim) return places;
    std::size_t at = flag.span.begin + name_size;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        places[i] = {at, at + fields[i].size()};
        at += fields[i].size() + 1;
    }
    return places;
}

/// One field of the flag as an option; false after a diagnostic.
bool read_option(std::string_view field, Span place, const Word& flag, MountFlag& out, Diagnostics& diagnostics) {
    const std::size_t equals = field.find('=');
    const std::string key = to_lower(field.substr(0, equals));
    MountOption option{.key = key, .value = std::nullopt, .span = place};
    const bool known = std::ranges::find(keys, key) != keys.end();
    if (!known && equals != std::string_view::npos) {
        diagnostics.error(place, fmt::format("unexpected key '{}' in '{}'", key, field), did_you_mean(key, keys));
        return false;
    }
    if (equals == std::string_view::npos && !is_flag_key(key)) {
        diagnostics.error(place, fmt::format("invalid field '{}' must be a key=value pair", field),
                          "write --mount=type=TYPE,target=PATH");
        return false;
    }
    if (equals != std::string_view::npos) {
        option.value = Word{
            .text = std::string(field.substr(equals + 1)), .span = place, .style = flag.style, .escape = flag.escape};
    }
    if (option.value && key != "from") {
        if (std::optional<Diagnostic> wrong = check_syntax(*option.value)) {
            diagnostics.add(std::move(*wrong));
            return false;
        }
    }
    if (key == "from") {
        if (has_variables(*option.value)) {
            diagnostics.error(place, "'from' doesn't support variable expansion, define alias stage instead",
                              "add a stage FROM $VARIABLE AS name before this one and use from=name");
            return false;
        }
        out.from = option.value->text;
        out.from_span = place;
    }
    out.options.push_back(std::move(option));
    return true;
}

}  // namespace

std::string_view name_of(MountType type) noexcept { return type_names[static_cast<std::size_t>(type)]; }
std::string_view name_of(CacheSharing sharing) noexcept { return sharing_names[static_cast<std::size_t>(sharing)]; }

MountFlag parse_mount_flag(const Word& value, Diagnostics& diagnostics) {
    MountFlag flag{.options = {}, .from = std::nullopt, .span = value.span};
    std::vector<std::string> fields;
    try {
        fields = split_csv(value.text);
    } catch (const Error& error) {
        diagnostics.error(value.span, fmt::format("invalid --mount: {}", error.message()),
                          "quote a whole field: \"key=a,b\"");
        return flag;
    }
    bool good = true;
    bool dynamic = false;
    const std::vector<Span> places = places_of(fields, value);
    for (std::size_t i = 0; i < fields.size(); ++i) {
        good = read_option(fields[i], places[i], value, flag, diagnostics) && good;
        dynamic = dynamic || fields[i].find('$') != std::string::npos;
    }
    if (!good || dynamic) return flag;
    if (MountResult result = resolve_mount(flag, {}); result.error) diagnostics.add(std::move(*result.error));
    return flag;
}

MountResult resolve_mount(const MountFlag& flag, const Environment& environment) {
    MountResult result;
    result.mount.span = flag.span;
    result.mount.from = flag.from;
    MountReader reader(result.mount);
    const auto fail = [&](Span place, ValueError error) {
        result.error = make_error(place, std::move(error.message), std::move(error.hint));
    };
    for (const MountOption& option : flag.options) {
        std::optional<std::string> value;
        if (option.value && option.key == "from") continue;
        if (option.value) {
            Expansion expansion = expand(*option.value, environment);
            if (!expansion.ok()) {
                result.error = std::move(expansion.error);
                return result;
            }
            result.read.insert(result.read.end(), expansion.read.begin(), expansion.read.end());
            result.undefined.insert(result.undefined.end(), expansion.undefined.begin(), expansion.undefined.end());
            value = std::move(expansion.text);
        }
        if (std::optional<ValueError> error = reader.take(option.key, value)) {
            fail(option.span, std::move(*error));
            return result;
        }
    }
    if (std::optional<ValueError> error = reader.finish()) fail(flag.span, std::move(*error));
    return result;
}

}  // namespace imgbuild::parser
