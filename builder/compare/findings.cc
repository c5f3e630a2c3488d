// SPDX-License-Identifier: Apache-2.0
#include "builder/compare/detail/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr std::size_t kept_of_a_kind = 4;

// What follows from other differences, and explains nothing where there are any.
bool is_consequence(DifferenceKind kind) noexcept {
    return kind == DifferenceKind::elf_build_id || kind == DifferenceKind::pdf_id ||
           kind == DifferenceKind::compression || kind == DifferenceKind::content;
}

}  // namespace

DifferenceKind FileFindings::cause() const noexcept {
    const auto found = std::ranges::find_if(list, [](const Finding& finding) { return !is_consequence(finding.kind); });
    if (found != list.end()) return found->kind;
    return list.empty() ? DifferenceKind::content : list.front().kind;
}

}  // namespace imgbuild::builder

namespace imgbuild::builder::detail {
namespace {

// Cut in the middle of what was one character, the rest is shown as an escape: nothing is lost but looks.
std::string value_text(std::string_view value) {
    if (value.size() <= max_value_bytes) return printable(value);
    return printable(value.substr(0, max_value_bytes)) + "…";
}

}  // namespace

void Findings::add(DifferenceKind kind, std::string_view where, std::string_view before, std::string_view after) {
    ++count_;
    if (list_.size() == max_findings || kept_[kind] == kept_of_a_kind) return;
    ++kept_[kind];
    const std::string place = where.empty()     ? prefix_
                              : prefix_.empty() ? std::string(where)
                                                : prefix_ + ": " + std::string(where);
    list_.push_back({kind, value_text(place), value_text(before), value_text(after)});
}

FileFindings Findings::take() {
    FileFindings findings{std::exchange(list_, {}), 0};
    findings.left_out = count_ - findings.list.size();
    return findings;
}

bool Findings::spend(std::uint64_t bytes) noexcept {
    if (bytes > budget_) return false;
    budget_ -= bytes;
    return true;
}

Findings::Scope::Scope(Findings& findings, std::string_view where)
    : findings_(findings), length_(findings.prefix_.size()) {
    ++findings_.depth_;
    if (where.empty()) return;
    if (length_ > 0) findings_.prefix_ += ": ";
    findings_.prefix_ += where.substr(0, max_value_bytes);
}

Findings::Scope::~Scope() {
    findings_.prefix_.resize(length_);
    --findings_.depth_;
}

std::uint64_t read_little(std::string_view bytes, std::size_t offset, std::size_t size) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = size; i > 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[offset + i - 1]);
    return value;
}

std::uint64_t read_big(std::string_view bytes, std::size_t offset, std::size_t size) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
    return value;
}

bool holds(std::string_view bytes, std::uint64_t offset, std::uint64_t size) noexcept {
    return offset <= bytes.size() && size <= bytes.size() - offset;
}

std::string hex_of(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes.substr(0, max_value_bytes / 2))
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text;
}

}  // namespace imgbuild::builder::detail
