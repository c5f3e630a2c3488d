// SPDX-License-Identifier: Apache-2.0
#include "fetch/accounts/challenge.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace imgbuild::fetch {
namespace {

constexpr std::size_t most_parameters = 64;

std::string_view take_word(std::string_view& text, std::string_view ends) {
    std::size_t end = std::min(text.find_first_of(ends), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    return word;
}

// A token or a quoted string; empty when a quote stays open.
std::optional<std::string> take_value(std::string_view& text) {
    if (!text.starts_with('"')) return std::string(take_word(text, ", \t"));
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') {
            text.remove_prefix(i + 1);
            return value;
        }
        if (text[i] == '\\' && ++i == text.size()) break;
        value += text[i];
    }
    return std::nullopt;
}

}  // namespace

std::string Challenge::parameter(const std::string& name) const {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string() : found->second;
}

std::vector<Challenge> parse_challenges(std::string_view header) {
    std::vector<Challenge> challenges;
    std::string_view left = header;
    for (;;) {
        left.remove_prefix(std::min(left.find_first_not_of(", \t"), left.size()));
        if (left.empty()) return challenges;
        std::string name = to_lower(take_word(left, "=, \t"));
        // A word without a value begins the next challenge.
        if (!left.starts_with('=')) {
            challenges.push_back({std::move(name), {}});
            continue;
        }
        left.remove_prefix(1);
        auto value = take_value(left);
        if (challenges.empty()) return challenges;
        if (!value || challenges.back().parameters.size() == most_parameters) {
            challenges.pop_back();
            return challenges;
        }
        challenges.back().parameters.emplace(std::move(name), *std::move(value));
    }
}

}  // namespace imgbuild::fetch
