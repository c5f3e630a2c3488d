// SPDX-License-Identifier: Apache-2.0
#include "parser/ignore/path_pattern.h"

#include "parser/source/utf8.h"

#include <algorithm>

namespace imgbuild::parser {

/// Reads a pattern from left to right.
class PathPattern::Compiler {
  public:
    Compiler(std::string_view pattern, PatternDialect dialect, std::string& problem)
        : pattern_(pattern), dialect_(dialect), problem_(problem) {}

    std::optional<PathPattern> run() {
        while (at_ < pattern_.size()) {
            if (!token()) return std::nullopt;
        }
        finish();
        return std::move(out_);
    }

  private:
    bool fail(std::string problem) {
        problem_ = std::move(problem);
        return false;
    }
    void add(Kind kind, char32_t value = 0) { out_.tokens_.push_back({kind, value}); }
    void add_character() {
        const CodePoint point = code_point_at(pattern_, at_);
        add(Kind::character, point.value);
        at_ += point.size;
    }

    bool token();
    void star();
    bool character_class();
    std::optional<char32_t> class_character();
    void finish();

    std::string_view pattern_;
    PatternDialect dialect_;
    std::string& problem_;
    std::size_t at_ = 0;
    PathPattern out_;
};

bool PathPattern::Compiler::token() {
    const char c = pattern_[at_];
    if (c == '*') {
        star();
        return true;
    }
    if (c == '[') return character_class();
    if (c == '\\') {
        if (++at_ == pattern_.size()) return fail("it ends in a backslash");
        add_character();
        return true;
    }
    if (c == '?') {
        add(Kind::any_character);
        ++at_;
    } else {
        add_character();
    }
    return true;
}

void PathPattern::Compiler::star() {
    const std::size_t begin = at_;
    while (at_ < pattern_.size() && pattern_[at_] == '*') ++at_;
    if (dialect_ == PatternDialect::glob || at_ - begin == 1) return add(Kind::any_run);
    // Behind "**" a slash belongs to it: "a/**/b" is also "a/b".
    if (at_ < pattern_.size() && pattern_[at_] == '/') ++at_;
    add(at_ == pattern_.size() ? Kind::deep_run : Kind::deep_prefix);
}

std::optional<char32_t> PathPattern::Compiler::class_character() {
    if (at_ < pattern_.size() && pattern_[at_] == '\\') ++at_;
    if (at_ >= pattern_.size()) return std::nullopt;
    const CodePoint point = code_point_at(pattern_, at_);
    at_ += point.size;
    return point.value;
}

bool PathPattern::Compiler::character_class() {
    CharacterClass result;
    ++at_;
    if (at_ < pattern_.size() && pattern_[at_] == '^') {
        result.negated = true;
        ++at_;
    }
    while (at_ < pattern_.size() && (pattern_[at_] != ']' || result.ranges.empty())) {
        if (pattern_[at_] == ']' || pattern_[at_] == '-')
            return fail("a character class is empty or begins a range with '-'");
        const std::optional<char32_t> low = class_character();
        std::optional<char32_t> high = low;
        if (at_ < pattern_.size() && pattern_[at_] == '-') {
            ++at_;
            high = at_ < pattern_.size() && pattern_[at_] == ']' ? std::nullopt : class_character();
        }
        if (!low || !high) return fail("a character class does not end");
        if (*high < *low) return fail("a range of a character class runs backwards");
        result.ranges.emplace_back(*low, *high);
    }
    if (at_ >= pattern_.size() || pattern_[at_] != ']') return fail("a character class does not end");
    ++at_;
    add(Kind::character_class, static_cast<char32_t>(out_.classes_.size()));
    out_.classes_.push_back(std::move(result));
    return true;
}

void PathPattern::Compiler::finish() {
    std::u32string literal;
    for (const Token& token : out_.tokens_) {
        if (token.kind != Kind::character) break;
        literal += token.value;
    }
    out_.prefix_ = encode_utf8(literal);
    out_.literal_ = literal.size() == out_.tokens_.size();

    literal.clear();
    char32_t before = '/';  // the begin of the path counts as a slash
    for (const Token& token : out_.tokens_) {
        if (token.kind == Kind::deep_prefix) {
            out_.has_odd_prefix_ = out_.has_odd_prefix_ || before != '/';
            literal.clear();
            continue;
        }
        before = token.kind == Kind::character ? token.value : 0;
        if (before == 0) {
            literal.clear();
        } else {
            literal += before;
        }
    }
    out_.suffix_ = encode_utf8(literal);
}

std::optional<PathPattern> PathPattern::compile(std::string_view pattern, PatternDialect dialect,
                                                std::string& problem) {
    return Compiler(pattern, dialect, problem).run();
}

/// The bytes of `path` at `at` that the one-character token takes; 0 when it does not match.
std::size_t PathPattern::take_one(const Token& token, std::string_view path, std::size_t at) const noexcept {
    if (at >= path.size()) return 0;
    const CodePoint point = code_point_at(path, at);
    if (token.kind == Kind::character) return point.value == token.value ? point.size : 0;
    if (path[at] == '/') return 0;
    if (token.kind == Kind::any_character) return point.size;
    const CharacterClass& characters = classes_[token.value];
    const bool inside = std::ranges::any_of(characters.ranges, [&](const auto& range) {
        return point.value >= range.first && point.value <= range.second;
    });
    return inside != characters.negated ? point.size : 0;
}

PathPattern::Progress PathPattern::run(std::string_view path, bool accept_prefix) const {
    if (has_odd_prefix_) return run_all(path, accept_prefix);
    // Only the last star and the last "**" before a failure need another try: what stands before them matched
    // as far left as it could, and an earlier try further right leaves less for the rest. For "**" this holds
    // where it begins a component.
    constexpr std::size_t none = std::string_view::npos;
    std::size_t token = 0;
    std::size_t at = 0;
    std::size_t star_token = none;
    std::size_t star_at = 0;
    std::size_t deep_token = none;
    std::size_t deep_at = 0;
    while (true) {
        if (at == path.size() && accept_prefix) return Progress::may_go_on;
        if (token == tokens_.size() && at == path.size()) return Progress::matched;
        if (token < tokens_.size()) {
            const Token& current = tokens_[token];
            if (current.kind == Kind::deep_run) return Progress::matched;
            if (current.kind == Kind::any_run) {
                star_token = ++token;
                star_at = at;
                continue;
            }
            if (current.kind == Kind::deep_prefix) {
                deep_token = ++token;
                deep_at = at;
                star_token = none;
                continue;
            }
            if (const std::size_t taken = take_one(current, path, at)) {
                ++token;
                at += taken;
                continue;
            }
        }
        if (star_token != none && star_at < path.size() && path[star_at] != '/') {
            star_at += code_point_at(path, star_at).size;
            token = star_token;
            at = star_at;
            continue;
        }
        const std::size_t slash = deep_token == none ? none : path.find('/', deep_at);
        if (slash == none) return deep_token != none && accept_prefix ? Progress::may_go_on : Progress::failed;
        deep_at = slash + 1;
        token = deep_token;
        at = deep_at;
        star_token = none;
    }
}

PathPattern::Progress PathPattern::run_all(std::string_view path, bool accept_prefix) const {
    // The sets of tokens that can be next: `entered` before a token, `inside` within the run of a deep_prefix.
    std::vector<bool> entered(tokens_.size() + 1);
    std::vector<bool> inside(tokens_.size());
    entered[0] = true;
    const auto skip_what_may_be_empty = [&] {
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            const Kind kind = tokens_[i].kind;
            if (entered[i] && (kind == Kind::any_run || kind == Kind::deep_prefix || kind == Kind::deep_run))
                entered[i + 1] = true;
        }
    };
    skip_what_may_be_empty();
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t size = code_point_at(path, at).size;
        const bool slash = path[at] == '/';
        std::vector<bool> next(tokens_.size() + 1);
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            const Kind kind = tokens_[i].kind;
            if (kind == Kind::deep_prefix) {
                inside[i] = inside[i] || entered[i];
                if (inside[i] && slash) next[i + 1] = true;
            } else if (!entered[i]) {
                continue;
            } else if (kind == Kind::deep_run || (kind == Kind::any_run && !slash)) {
                next[i] = true;
            } else if (kind != Kind::any_run && take_one(tokens_[i], path, at) > 0) {
                next[i + 1] = true;
            }
        }
        entered = std::move(next);
        skip_what_may_be_empty();
        at += size;
    }
    const auto any = [](const std::vector<bool>& states) { return std::ranges::find(states, true) != states.end(); };
    if (accept_prefix) return any(entered) || any(inside) ? Progress::may_go_on : Progress::failed;
    return entered.back() ? Progress::matched : Progress::failed;
}

bool PathPattern::matches(std::string_view path) const {
    if (literal_) return path == prefix_;
    if (!path.starts_with(prefix_) || !path.ends_with(suffix_)) return false;
    return run(path, false) == Progress::matched;
}

bool PathPattern::may_match_below(std::string_view path) const {
    const std::size_t common = std::min(path.size(), prefix_.size());
    if (path.substr(0, common) != std::string_view(prefix_).substr(0, common)) return false;
    if (path.empty()) return true;
    if (literal_) return prefix_.size() > path.size() && prefix_[path.size()] == '/';
    return run(std::string(path) + '/', true) != Progress::failed;
}

bool has_wildcard(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '*' || text[i] == '?' || text[i] == '[') {
            return true;
        }
    }
    return false;
}

bool glob_match(std::string_view pattern, std::string_view path) {
    std::string problem;
    const std::optional<PathPattern> compiled = PathPattern::compile(pattern, PatternDialect::glob, problem);
    return compiled && compiled->matches(path);
}

}  // namespace imgbuild::parser
