// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/detail/index_text.h"

#include <string.h>

#include <algorithm>
#include <optional>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/error.h"

namespace imgbuild::layerstore::detail {
namespace {

// How Index::encode() writes a list of objects. No string holds a newline, so these lines stand at no other place.
constexpr std::string_view list_begin = "\n  \"manifests\": [";
constexpr std::string_view list_end = "\n  ]";
constexpr std::string_view entry_begin = "\n    {";
constexpr std::string_view entry_end = "\n    }";
constexpr std::string_view between = ",";

// Several times faster than std::string_view::find() in a text full of quotes.
std::size_t find(std::string_view text, std::string_view word, std::size_t from) {
    const void* found = ::memmem(text.data() + from, text.size() - from, word.data(), word.size());
    return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

std::string sum_of(std::string_view text) { return Sha256::of(text).hex() + "\n"; }

/// Which of `after` stands in the place of each of `before`; what comes behind them is new.
std::vector<std::vector<const Descriptor*>> in_places(const std::vector<Descriptor>& before,
                                                      const std::vector<Descriptor>& after) {
    std::vector<std::vector<const Descriptor*>> places(before.size());
    std::size_t next = 0;
    for (std::size_t i = 0; i < before.size() && next < after.size(); ++i) {
        const bool is_of_later =
            std::find(before.begin() + static_cast<std::ptrdiff_t>(i) + 1, before.end(), after[next]) != before.end();
        if (after[next] == before[i] || !is_of_later) places[i].push_back(&after[next++]);
    }
    places.emplace_back();
    for (; next < after.size(); ++next) places.back().push_back(&after[next]);
    return places;
}

}  // namespace

bool is_own_index(const Directory& root, std::string_view text) {
    try {
        constexpr std::uint64_t limit = 2 * Digest::size + 1;
        return root.read_file(ImagePath().child(index_sum_name), limit) == sum_of(text);
    } catch (const Error&) {
        return false;
    }
}

void note_own_index(const Directory& root, std::string_view text) {
    write_file_atomically(root, index_sum_name, sum_of(text), Durability::none);
}

IndexText::IndexText(std::string text, const std::vector<std::string>& words) : text_(std::move(text)) {
    find_list();
    for (const std::string& word : words) find_entries(word);
    std::ranges::sort(entries_);
    const auto twice = std::ranges::unique(entries_);
    entries_.erase(twice.begin(), twice.end());
}

void IndexText::find_list() {
    const std::size_t begin = find(text_, list_begin, 0);
    const std::size_t end = begin == std::string::npos ? begin : find(text_, list_end, begin);
    // An empty list is written as "[]".
    if (end == std::string::npos) return;
    list_ = {begin + list_begin.size(), end};
}

void IndexText::find_entries(const std::string& word) {
    for (std::size_t at = list_.begin;;) {
        at = find(std::string_view(text_).substr(0, list_.end), word, at);
        if (at == std::string::npos) return;
        const std::size_t begin = text_.rfind(entry_begin, at) + 1;
        const std::size_t end = find(text_, entry_end, at) + entry_end.size();
        entries_.push_back({begin, end});
        at = end;
    }
}

Index IndexText::selected(std::string_view what) const {
    std::string part = text_.substr(0, list_.begin);
    for (const Span& entry : entries_) {
        if (&entry != &entries_.front()) part += between;
        part += view(entry);
    }
    return Index::parse(part + text_.substr(list_.end), what);
}

std::string IndexText::with(const Index& before, const Index& after) const {
    if (list_.end == 0) return after.encode();
    auto encoded = [&](const Descriptor& descriptor) {
        const std::string alone = Index{.media_type = after.media_type, .manifests = {descriptor}}.encode();
        const std::size_t begin = find(alone, entry_begin, 0);
        return alone.substr(begin, find(alone, entry_end, begin) + entry_end.size() - begin);
    };
    const auto places = in_places(before.manifests, after.manifests);
    std::string list;
    list.reserve(list_.end - list_.begin + 1024);
    std::size_t at = list_.begin;
    auto add = [&](std::string_view entry) {
        if (entry.empty()) return;
        if (!list.empty()) list += between;
        list += entry;
    };
    // What lies between two entries is a comma, or entries that nobody asked for.
    auto add_others = [&](std::size_t end) {
        std::string_view others = std::string_view(text_).substr(at, end - at);
        if (others.starts_with(between)) others.remove_prefix(between.size());
        while (!others.empty() && (others.ends_with('\n') || others.ends_with(between))) others.remove_suffix(1);
        add(others);
    };
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        add_others(entries_[i].begin);
        for (const Descriptor* entry : places[i])
            add(*entry == before.manifests[i] ? "\n" + std::string(view(entries_[i])) : encoded(*entry));
        at = entries_[i].end;
    }
    add_others(list_.end);
    for (const Descriptor* entry : places.back()) add(encoded(*entry));
    if (list.empty()) return after.encode();
    return text_.substr(0, list_.begin) + list + text_.substr(list_.end);
}

}  // namespace imgbuild::layerstore::detail
