// SPDX-License-Identifier: Apache-2.0
// ISO 9660 (ECMA-119) volumes, and the files of passwords.
#include <fmt/format.h>

#include <array>
#include <map>

#include "base/text.h"
#include "builder/compare/detail/findings.h"

namespace imgbuild::builder::detail {
namespace {

constexpr std::size_t volume_at = 0x8000;
constexpr std::size_t sector = 2048;
constexpr std::size_t dates_at = 813;  // four of them, in the volume descriptor
constexpr std::size_t date_bytes = 17;
constexpr std::array date_names{"creation", "modification", "expiration", "effective"};

std::map<std::string_view, std::vector<std::string_view>> accounts_of(std::string_view text) {
    std::map<std::string_view, std::vector<std::string_view>> accounts;
    for (const std::string_view line : split(text, '\n')) {
        std::vector<std::string_view> fields = split(line, ':');
        if (fields.size() > 2) accounts.emplace(fields.front(), std::move(fields));
    }
    return accounts;
}

bool is_day(std::string_view field) { return field.empty() || parse_unsigned(field).has_value(); }

}  // namespace

bool compare_iso(const Pair& pair, Findings& findings) {
    if (pair.before.size() != pair.after.size() || !findings.spend(pair.before.size() * 2)) return false;
    std::string before(pair.before), after(pair.after);
    const std::size_t count = findings.count();
    for (std::size_t volume = volume_at; holds(before, volume, sector) && before.compare(volume + 1, 5, "CD001") == 0 &&
                                         after.compare(volume + 1, 5, "CD001") == 0;
         volume += sector) {
        const char type = before[volume];
        if (type == '\xff') break;
        if (type != 1 && type != 2) continue;
        for (std::size_t i = 0; i < date_names.size(); ++i) {
            const std::size_t at = volume + dates_at + i * date_bytes;
            // The last byte is the zone, in quarters of an hour.
            if (before.compare(at, date_bytes, after, at, date_bytes) != 0)
                findings.add(DifferenceKind::iso_time, fmt::format("volume descriptor: {}", date_names[i]),
                             before.substr(at, date_bytes - 1), after.substr(at, date_bytes - 1));
            before.replace(at, date_bytes, date_bytes, '0');
            after.replace(at, date_bytes, date_bytes, '0');
        }
    }
    if (before == after) return true;
    // Directory records have dates of their own, of seven bytes, which only a reader of directories finds.
    const Findings::Scope scope(findings, findings.count() > count ? "besides" : "");
    compare_binary({before, after}, findings);
    return true;
}

bool compare_shadow(const Pair& pair, Findings& findings) {
    constexpr std::size_t last_change = 2;  // field
    const auto before = accounts_of(pair.before);
    const auto after = accounts_of(pair.after);
    if (before.size() != after.size()) return false;
    const std::size_t count = findings.count();
    for (const auto& [name, fields] : after) {
        const auto other = before.find(name);
        if (other == before.end() || other->second.size() != fields.size()) return findings.count() > count;
        for (std::size_t i = 1; i < fields.size(); ++i) {
            if (fields[i] == other->second[i]) continue;
            const std::string place = "account " + printable(name);
            if (i == last_change && is_day(fields[i]) && is_day(other->second[i]))
                findings.add(DifferenceKind::shadow_day, place, other->second[i], fields[i]);
            else
                // What stands there is nobody's business.
                findings.add(i == 1 ? DifferenceKind::random : DifferenceKind::content,
                             place + fmt::format(": field {}", i + 1), "…", "…");
        }
    }
    return findings.count() > count;
}

}  // namespace imgbuild::builder::detail
