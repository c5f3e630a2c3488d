// SPDX-License-Identifier: Apache-2.0
#include "builder/edit/detail/mode_change.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "parser/instruction/values.h"

namespace imgbuild::builder {
namespace {

constexpr std::uint16_t set_ids = 06000;
constexpr std::uint16_t sticky = 01000;
constexpr std::uint16_t execute = 0111;
constexpr std::uint16_t others = 0007;
constexpr std::uint16_t everybody = 06777;

std::uint16_t bits_of_who(char who) noexcept {
    switch (who) {
        case 'u': return 04700;
        case 'g': return 02070;
        case 'o': return others;
        default: return everybody;
    }
}

}  // namespace

ModeChange ModeChange::parse(std::string_view text) {
    if (auto wrong = parser::check_chmod(text)) throw Error(ErrorKind::usage, printable(wrong->message), wrong->hint);
    ModeChange change;
    if (auto octal = parser::parse_octal(text, 07777)) {
        change.octal_ = static_cast<std::uint16_t>(*octal);
        return change;
    }
    for (std::string_view clause : split(text, ',')) change.add_clause(clause);
    return change;
}

// The clause is well formed: check_chmod() has seen it.
void ModeChange::add_clause(std::string_view clause) {
    std::size_t begin = clause.find_first_of("+-=");
    std::uint16_t who = 0;
    for (char c : clause.substr(0, begin)) who = who | bits_of_who(c);
    if (who == 0) who = everybody;
    for (char c : clause.substr(begin)) {
        if (c == '+' || c == '-' || c == '=') {
            steps_.push_back({.who = who, .operation = c});
            continue;
        }
        Step& step = steps_.back();
        switch (c) {
            case 'r': step.bits |= 0444; break;
            case 'w': step.bits |= 0222; break;
            case 'x': step.bits |= execute; break;
            case 'X': step.sensible_execute = true; break;
            case 's': step.bits |= set_ids; break;
            case 'u': step.copies |= 4; break;
            case 'g': step.copies |= 2; break;
            case 'o': step.copies |= 1; break;
            default:  // t, which others alone do not have
                if (who == others) break;
                step.bits |= sticky;
                step.who |= sticky;
        }
    }
}

std::uint16_t ModeChange::apply(std::uint16_t mode, bool is_directory) const noexcept {
    if (octal_) return *octal_;
    const bool may_execute = is_directory || (mode & execute) != 0;  // as it was before the first clause
    for (const Step& step : steps_) {
        unsigned bits = step.bits;
        if (step.sensible_execute && may_execute) bits |= execute;
        if (step.copies & 4) bits |= 0111U * (mode >> 6 & 7U);
        if (step.copies & 2) bits |= 0111U * (mode >> 3 & 7U);
        if (step.copies & 1) bits |= 0111U * (mode & 7U);
        bits &= step.who;
        unsigned kept = step.operation == '=' ? mode & ~unsigned{step.who} : mode;
        mode = static_cast<std::uint16_t>(step.operation == '-' ? kept & ~bits : kept | bits);
    }
    return mode;
}

}  // namespace imgbuild::builder
