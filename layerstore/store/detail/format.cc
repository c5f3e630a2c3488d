// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/detail/format.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore::detail {
namespace {

constexpr const char* format_name = "format";
constexpr std::uint64_t format_version = 1;
constexpr std::string_view version_label = "imgbuild store ";
constexpr std::string_view owner_label = "owner ";

std::optional<std::uint64_t> value_of(std::string_view line, std::string_view label) {
    return line.starts_with(label) ? parse_unsigned(line.substr(label.size())) : std::nullopt;
}

// From /etc/passwd alone: a static program has no other directory of users.
std::string name_of_user(uid_t uid) {
    try {
        const Directory etc = Directory::open_host("/etc");
        const std::string passwd = etc.read_file(ImagePath().child("passwd"), 1 << 20);
        for (std::string_view line : split(passwd, '\n')) {
            const auto fields = split(line, ':');
            if (fields.size() >= 3 && parse_unsigned(fields[2]) == uid)
                return fmt::format("{} ({})", printable(fields[0]), uid);
        }
    } catch (const Error&) {
        // Without names the numbers say as much.
    }
    return fmt::format("user {}", uid);
}

}  // namespace

std::optional<Format> read_format(const Directory& root) {
    if (!root.status(ImagePath().child(format_name))) return std::nullopt;
    const std::string text = root.read_file(ImagePath().child(format_name), 4096);
    const auto lines = split(text, '\n');
    const auto version = value_of(lines[0], version_label);
    const auto owner = lines.size() > 1 ? value_of(lines[1], owner_label) : std::nullopt;
    if (version && *version > format_version)
        throw Error(ErrorKind::unsupported,
                    fmt::format("open the store: {}: written by a newer imgbuild (format {}, this one knows {})",
                                root.name(), *version, format_version),
                    "use that version, or another store with --store");
    if (version != format_version || !owner) {
        struct stat status {};
        if (::fstat(root.fd(), &status) < 0) throw_errno("stat", root.name());
        throw Error(ErrorKind::corrupt, fmt::format("open the store: {}/{}: damaged", root.name(), format_name),
                    fmt::format("it holds two lines, \"{}{}\" and \"{}{}\": write them to it, then run imgbuild fsck",
                                version_label, format_version, owner_label, status.st_uid));
    }
    return Format{static_cast<uid_t>(*owner)};
}

void write_format(const Directory& root, const Format& format) {
    write_file_atomically(root, format_name,
                          fmt::format("{}{}\n{}{}\n", version_label, format_version, owner_label, format.owner),
                          Durability::full);
}

void check_owner(uid_t owner, const std::string& path) {
    const uid_t self = ::geteuid();
    if (owner == self) return;
    throw Error(
        ErrorKind::denied,
        fmt::format("open the store: {}: belongs to {}, and this is {}", path, name_of_user(owner), name_of_user(self)),
        "every user has a store of their own; name another one with --store");
}

}  // namespace imgbuild::layerstore::detail
