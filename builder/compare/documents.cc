// SPDX-License-Identifier: Apache-2.0
// JSON, PNG, PDF and compiled Python.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/compare/detail/findings.h"

namespace imgbuild::builder::detail {
namespace {

std::optional<Json> document_of(std::string_view text) {
    try {
        return parse_json(text, "file");
    } catch (const Error&) {
        return std::nullopt;
    }
}

std::string json_text(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

/// Walks two documents side by side. Members in another order are said once for each object.
class JsonComparison {
  public:
    explicit JsonComparison(Findings& findings) : findings_(findings) {}

    void compare(const Json& before, const Json& after, const std::string& place) {
        if (before.is_object() && after.is_object()) return objects(before, after, place);
        if (before.is_array() && after.is_array()) return arrays(before, after, place);
        if (before == after) return;
        value(json_text(before), json_text(after), place);
    }

  private:
    // A time, a path or a random id in a value says more than that it is one.
    void value(std::string_view before, std::string_view after, const std::string& place) {
        Findings inside(findings_.surroundings());
        compare_line({before, after}, "", inside);
        const FileFindings found = inside.take();
        const DifferenceKind kind = found.cause();
        const bool says_more = kind != DifferenceKind::content && kind != DifferenceKind::number;
        findings_.add(says_more ? kind : DifferenceKind::json_value, place, before, after);
    }

    void objects(const Json& before, const Json& after, const std::string& place) {
        // By maps: finding a member of an ordered document costs its length.
        std::map<std::string_view, const Json*> members;
        std::set<std::string_view> kept;
        std::vector<std::string_view> old_order, new_order;
        for (auto member = before.begin(); member != before.end(); ++member) members.emplace(member.key(), &*member);
        for (auto member = after.begin(); member != after.end(); ++member) kept.insert(member.key());
        for (auto member = before.begin(); member != before.end(); ++member)
            if (kept.contains(member.key())) old_order.push_back(member.key());
        for (auto member = after.begin(); member != after.end(); ++member) {
            const std::string inner = place + "." + member.key().substr(0, 64);
            const auto other = members.find(member.key());
            if (other == members.end()) {
                findings_.add(DifferenceKind::json_value, inner, "", json_text(*member));
                continue;
            }
            new_order.push_back(member.key());
            compare(*other->second, *member, inner);
            members.erase(other);
        }
        for (const auto& [key, member] : members)
            findings_.add(DifferenceKind::json_value, place + "." + std::string(key.substr(0, 64)), json_text(*member),
                          "");
        const auto ends = std::ranges::mismatch(old_order, new_order);
        if (ends.in1 != old_order.end() && ends.in2 != new_order.end())
            findings_.add(DifferenceKind::json_order, place, *ends.in1, *ends.in2);
    }

    void arrays(const Json& before, const Json& after, const std::string& place) {
        if (before == after) {
            for (std::size_t i = 0; i < before.size(); ++i)
                compare(before[i], after[i], fmt::format("{}[{}]", place, i));
            return;
        }
        const auto sorted = [](const Json& array) {
            std::vector<std::string> texts;
            for (const Json& element : array) texts.push_back(element.dump());
            std::ranges::sort(texts);
            return texts;
        };
        if (sorted(before) == sorted(after)) {
            const auto ends = std::ranges::mismatch(before, after);
            return findings_.add(DifferenceKind::json_order, place, json_text(*ends.in1), json_text(*ends.in2));
        }
        for (std::size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
            const std::string inner = fmt::format("{}[{}]", place, i);
            if (i >= before.size())
                findings_.add(DifferenceKind::json_value, inner, "", json_text(after[i]));
            else if (i >= after.size())
                findings_.add(DifferenceKind::json_value, inner, json_text(before[i]), "");
            else
                compare(before[i], after[i], inner);
        }
    }

    Findings& findings_;
};

struct PngChunk {
    std::string_view type;
    std::string_view data;
};

std::vector<PngChunk> png_chunks(std::string_view bytes) {
    constexpr std::size_t magic = 8, around = 12;  // length, type and sum
    std::vector<PngChunk> chunks;
    for (std::size_t at = magic; holds(bytes, at, around);) {
        const std::uint64_t size = read_big(bytes, at, 4);
        if (!holds(bytes, at + 8, size + 4)) break;
        chunks.push_back({bytes.substr(at + 4, 4), bytes.substr(at + 8, size)});
        at += around + size;
    }
    return chunks;
}

std::string png_time_text(std::string_view data) {
    if (data.size() != 7) return hex_of(data);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", read_big(data, 0, 2), read_big(data, 2, 1),
                       read_big(data, 3, 1), read_big(data, 4, 1), read_big(data, 5, 1), read_big(data, 6, 1));
}

// Takes the values behind `key` out of a PDF; says the first one.
std::string take_out(std::string& document, std::string_view key, char open, char close) {
    std::string first;
    for (std::size_t at = document.find(key); at != std::string::npos; at = document.find(key, at + 1)) {
        const std::size_t begin = document.find_first_not_of(" \r\n", at + key.size());
        if (begin == std::string::npos || document[begin] != open) continue;
        const std::size_t end = document.find(close, begin);
        if (end == std::string::npos || end - begin > 512) continue;
        if (first.empty()) first = document.substr(begin + 1, end - begin - 1);
        std::fill(document.begin() + static_cast<std::ptrdiff_t>(begin),
                  document.begin() + static_cast<std::ptrdiff_t>(end), ' ');
    }
    return first;
}

}  // namespace

bool compare_json(const Pair& pair, Findings& findings) {
    const std::optional<Json> before = document_of(pair.before);
    const std::optional<Json> after = document_of(pair.after);
    if (!before || !after) return false;
    JsonComparison(findings).compare(*before, *after, "$");
    return true;
}

bool compare_png(const Pair& pair, Findings& findings) {
    const std::vector<PngChunk> before = png_chunks(pair.before);
    const std::vector<PngChunk> after = png_chunks(pair.after);
    if (!std::ranges::equal(before, after, {}, &PngChunk::type, &PngChunk::type)) return false;
    for (std::size_t i = 0; i < before.size(); ++i) {
        const PngChunk& old = before[i];
        const PngChunk& fresh = after[i];
        if (old.data == fresh.data) continue;
        const std::string place = "chunk " + printable(fresh.type);
        if (fresh.type == "tIME")
            findings.add(DifferenceKind::png_time, place, png_time_text(old.data), png_time_text(fresh.data));
        else if (fresh.type == "tEXt" && old.data.starts_with("date:") && fresh.data.starts_with("date:"))
            findings.add(DifferenceKind::png_time, place, old.data, fresh.data);
        else {
            const Findings::Scope scope(findings, place);
            compare_inside({old.data, fresh.data}, findings);
        }
    }
    return true;
}

bool compare_pdf(const Pair& pair, Findings& findings) {
    struct Field {
        std::string_view key;
        char open, close;
        DifferenceKind kind;
    };
    constexpr std::array fields{Field{"/CreationDate", '(', ')', DifferenceKind::pdf_date},
                                Field{"/ModDate", '(', ')', DifferenceKind::pdf_date},
                                Field{"/ID", '[', ']', DifferenceKind::pdf_id}};
    if (!findings.spend(pair.before.size() + pair.after.size())) return false;
    std::string before(pair.before), after(pair.after);
    for (const Field& field : fields) {
        const std::string old = take_out(before, field.key, field.open, field.close);
        const std::string fresh = take_out(after, field.key, field.open, field.close);
        if (old != fresh) findings.add(field.kind, field.key, old, fresh);
    }
    if (before != after) compare_binary({before, after}, findings);
    return true;
}

// PEP 552: magic, flags, then time and size of the source, or a digest of it.
bool compare_pyc(const Pair& pair, Findings& findings) {
    constexpr std::size_t header = 16;
    const auto flags = [](std::string_view bytes) { return read_little(bytes, 4, 4); };
    const auto time = [](std::string_view bytes) { return read_little(bytes, 8, 4); };
    if (pair.before.substr(0, 4) != pair.after.substr(0, 4) || flags(pair.before) != flags(pair.after)) return false;
    if (flags(pair.before) == 0 && time(pair.before) != time(pair.after))
        findings.add(DifferenceKind::pyc_time, "pyc header", rfc3339(static_cast<std::int64_t>(time(pair.before))),
                     rfc3339(static_cast<std::int64_t>(time(pair.after))));
    else if (pair.before.substr(8, 8) != pair.after.substr(8, 8))
        findings.add(DifferenceKind::content, "pyc header", hex_of(pair.before.substr(8, 8)),
                     hex_of(pair.after.substr(8, 8)));
    if (pair.before.substr(header) == pair.after.substr(header)) return true;
    const Findings::Scope scope(findings, "code");
    compare_binary({pair.before.substr(header), pair.after.substr(header)}, findings);
    return true;
}

}  // namespace imgbuild::builder::detail
