// SPDX-License-Identifier: Apache-2.0
#include "base/ascii.h"
#include "parser/lexer/shell_pattern.h"
#include "parser/lexer/word.h"
#include "parser/source/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

namespace imgbuild::parser {
namespace {

bool is_special_parameter(char c) { return std::string_view("@*#?-$!").find(c) != std::string_view::npos; }
bool is_ascii_name_byte(char c) { return is_digit(c) || is_letter(c) || c == '_'; }

/// The bytes of the name's character at `offset`; 0 when a name cannot go on there.
std::size_t name_character(std::string_view text, std::size_t offset) {
    if (offset >= text.size()) return 0;
    if ((text[offset] & 0x80) == 0) return is_ascii_name_byte(text[offset]) ? 1 : 0;
    const CodePoint point = code_point_at(text, offset);
    return point.valid && is_letter_or_digit(point.value) ? point.size : 0;
}

/// The words of an expansion that splits; one that does not ignores them.
class WordList {
  public:
    /// Text in which blanks separate.
    void add_splitting(std::string_view text) {
        for (const char c : text) {
            if (is_blank(c)) {
                finish();
            } else {
                current_ += c;
            }
        }
    }
    void add_whole(std::string_view text) { current_ += text; }

    std::vector<std::string> take() {
        finish();
        return std::move(words_);
    }

  private:
    void finish() {
        if (!current_.empty()) words_.push_back(std::exchange(current_, {}));
    }

    std::string current_;
    std::vector<std::string> words_;
};

/// One walk over a word. Each step returns false after a failure, which fail() has kept.
class Expander {
  public:
    Expander(const Word& word, const Environment& environment, const ExpandOptions& options)
        : text_(word.text),
          quotes_count_(word.style == WordStyle::shell),
          escape_(word.style == WordStyle::heredoc ? '\\' : word.escape),
          environment_(environment),
          options_(options) {}

    /// Looks at the syntax only.
    bool check() {
        std::string ignored;
        live_ = false;
        return until(End::of_text, false, ignored, nullptr);
    }

    /// Fills in everything but the place of an error.
    bool run(Expansion& result) {
        WordList words;
        result_ = &result;
        if (!until(End::of_text, false, result.text, &words)) return false;
        result.words = words.take();
        return true;
    }

    const std::string& message() const { return message_; }
    const std::string& hint() const { return hint_; }

  private:
    enum class End { of_text, brace, slash };

    bool at_end() const { return at_ >= text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }
    bool peek_is(char c) const { return !at_end() && text_[at_] == c; }

    bool fail(std::string message, std::string hint = {}) {
        message_ = std::move(message);
        hint_ = std::move(hint);
        return false;
    }

    bool put(std::string& out, std::string_view piece) {
        if (!live_) return true;
        out += piece;
        if (out.size() <= options_.max_result_bytes) return true;
        return fail(fmt::format("the expansion is longer than {} bytes", options_.max_result_bytes),
                    "a variable may double with each line that names it twice");
    }

    bool until(End end, bool keep_escapes, std::string& out, WordList* words);
    bool escaped(bool keep_escapes, std::string& out, WordList* words);
    bool single_quoted(std::string& out);
    bool double_quoted(bool keep_escapes, std::string& out);
    bool dollar(std::string& out);
    bool braces(std::size_t begin, std::string& out);
    bool fallback(std::string_view name, char modifier, bool empty_is_unset, std::size_t begin, std::string& out);
    bool trim(std::string_view name, char side, std::size_t begin, std::string& out);
    bool replace(std::string_view name, std::size_t begin, std::string& out);
    bool nested(End end, bool keep_escapes, bool live, std::string& out);
    bool bad_pattern(std::string_view pattern, std::string_view problem);
    bool unsupported(std::string_view modifier);

    std::string_view name();
    std::optional<std::string_view> look_up(std::string_view name, bool has_fallback);
    bool keeps(std::string_view name) const { return options_.keep_unset && !environment_.find(name); }
    std::string_view written(std::size_t begin) const { return text_.substr(begin, at_ - begin); }

    std::string_view text_;
    bool quotes_count_;
    char escape_;
    const Environment& environment_;
    const ExpandOptions& options_;
    Expansion* result_ = nullptr;
    std::unordered_set<std::string_view> seen_read_;
    std::unordered_set<std::string_view> seen_undefined_;

    std::size_t at_ = 0;
    std::size_t depth_ = 0;
    bool live_ = true;  ///< false inside a part whose result is not wanted: it is checked, nothing more
    std::string message_;
    std::string hint_;
};

bool Expander::until(End end, bool keep_escapes, std::string& out, WordList* words) {
    const char stop = end == End::brace ? '}' : '/';
    while (!at_end()) {
        const char c = peek();
        if (end != End::of_text && c == stop) {
            ++at_;
            return true;
        }
        if (c == escape_) {
            if (!escaped(keep_escapes, out, words)) return false;
            continue;
        }
        const bool quote = quotes_count_ && (c == '\'' || c == '"');
        if (!quote && c != '$') {
            if (words) words->add_splitting({&c, 1});
            if (!put(out, {&c, 1})) return false;
            ++at_;
            continue;
        }
        std::string piece;
        if (c == '$' ? !dollar(piece) : c == '"' ? !double_quoted(keep_escapes, piece) : !single_quoted(piece))
            return false;
        if (words && quote) words->add_whole(piece);
        if (words && !quote) words->add_splitting(piece);
        if (!put(out, piece)) return false;
    }
    if (end == End::brace) return fail("syntax error: missing '}'", "each ${ needs its own }");
    if (end == End::slash) return fail("syntax error: missing '/' in ${}", "write ${name/pattern/replacement}");
    return true;
}

bool Expander::escaped(bool keep_escapes, std::string& out, WordList* words) {
    ++at_;
    if (at_end()) return true;
    // A pattern reads the escape itself, always spelt as a backslash.
    const std::string_view next = text_.substr(at_++, 1);
    if (words) words->add_whole(next);
    return put(out, keep_escapes ? "\\" + std::string(next) : std::string(next));
}

bool Expander::single_quoted(std::string& out) {
    const std::size_t close = text_.find('\'', at_ + 1);
    if (close == std::string_view::npos) {
        return fail("unexpected end of statement while looking for matching single-quote");
    }
    const std::string_view inside = text_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    return put(out, inside);
}

bool Expander::double_quoted(bool keep_escapes, std::string& out) {
    ++at_;
    while (!at_end()) {
        const char c = text_[at_];
        if (c == '"') {
            ++at_;
            return true;
        }
        if (c == '$') {
            std::string piece;
            if (!dollar(piece) || !put(out, piece)) return false;
            continue;
        }
        const bool escapes = c == escape_ && at_ + 1 < text_.size() &&
                             (text_[at_ + 1] == '"' || text_[at_ + 1] == '$' || text_[at_ + 1] == escape_);
        if (escapes) {
            if (keep_escapes && !put(out, "\\")) return false;
            ++at_;
        }
        if (!put(out, text_.substr(at_++, 1))) return false;
    }
    return fail("unexpected end of statement while looking for matching double-quote");
}

std::string_view Expander::name() {
    const std::size_t begin = at_;
    if (is_special_parameter(peek()) && !at_end()) {
        ++at_;
    } else if (is_digit(peek())) {
        while (is_digit(peek())) ++at_;
    } else {
        while (const std::size_t size = name_character(text_, at_)) at_ += size;
    }
    return written(begin);
}

std::optional<std::string_view> Expander::look_up(std::string_view name, bool has_fallback) {
    if (!live_) return std::nullopt;
    if (seen_read_.insert(name).second) result_->read.emplace_back(name);
    if (!has_fallback && !environment_.declares(name) && seen_undefined_.insert(name).second) {
        result_->undefined.emplace_back(name);
    }
    return environment_.find(name);
}

bool Expander::dollar(std::string& out) {
    const std::size_t begin = at_++;
    if (peek_is('{')) return braces(begin, out);
    const std::string_view variable = name();
    if (variable.empty()) return put(out, "$");
    if (keeps(variable)) return put(out, written(begin));
    return put(out, look_up(variable, false).value_or(""));
}

bool Expander::braces(std::size_t begin, std::string& out) {
    ++at_;
    if (at_end()) return fail("syntax error: missing '}'", "each ${ needs its own }");
    if (peek_is('{') || peek_is('}') || peek_is(':')) {
        return fail("syntax error: bad substitution", "a name must follow ${");
    }
    const std::string_view variable = name();
    if (at_end()) return fail("syntax error: missing '}'", "each ${ needs its own }");
    const char modifier = text_[at_++];
    switch (modifier) {
        case '}':
            if (keeps(variable)) return put(out, written(begin));
            return put(out, look_up(variable, false).value_or(""));
        case '-':
        case '+':
        case '?': return fallback(variable, modifier, false, begin, out);
        case '#':
        case '%': return trim(variable, modifier, begin, out);
        case '/': return replace(variable, begin, out);
        case ':': {
            if (at_end()) return fail("syntax error: missing '}'", "each ${ needs its own }");
            const char second = peek();
            if (second != '-' && second != '+' && second != '?') {
                return unsupported(text_.substr(at_ - 1, 1 + code_point_at(text_, at_).size));
            }
            ++at_;
            return fallback(variable, second, true, begin, out);
        }
        default: --at_; return unsupported(text_.substr(at_, code_point_at(text_, at_).size));
    }
}

bool Expander::unsupported(std::string_view modifier) {
    return fail(fmt::format("unsupported modifier ({}) in substitution", modifier),
                "there are :- - :+ + :? ? # ## % %% / and //");
}

bool Expander::nested(End end, bool keep_escapes, bool live, std::string& out) {
    if (depth_ >= max_expansion_depth) {
        return fail(fmt::format("more than {} nested ${{", max_expansion_depth));
    }
    ++depth_;
    const bool outer = std::exchange(live_, live_ && live);
    const bool done = until(end, keep_escapes, out, nullptr);
    live_ = outer;
    --depth_;
    return done;
}

bool Expander::fallback(std::string_view name, char modifier, bool empty_is_unset, std::size_t begin,
                        std::string& out) {
    const bool keep = keeps(name);
    const std::optional<std::string_view> value = keep ? std::nullopt : look_up(name, true);
    const bool has_value = value && !(empty_is_unset && value->empty());
    std::string word;
    if (!nested(End::brace, false, !keep && (modifier == '+') == has_value, word)) return false;
    if (keep) return put(out, written(begin));
    if (modifier == '+') return put(out, word);
    if (has_value) return put(out, *value);
    if (modifier == '-' || !live_) return put(out, word);
    if (word.empty()) word = value ? "is not allowed to be empty" : "is not allowed to be unset";
    return fail(fmt::format("{}: {}", name, word),
                fmt::format("give it with --build-arg {}=VALUE, or an ARG with a default", name));
}

bool Expander::bad_pattern(std::string_view pattern, std::string_view problem) {
    return fail(fmt::format("invalid pattern ({}) in substitution: {}", pattern, problem),
                "a pattern knows * ? and the escapes \\* \\? \\\\ \\/ \\}");
}

bool Expander::trim(std::string_view name, char side, std::size_t begin, std::string& out) {
    const bool longest = peek_is(side);
    if (longest) ++at_;
    std::string pattern;
    if (!nested(End::brace, true, true, pattern)) return false;
    if (keeps(name)) return put(out, written(begin));
    const std::string_view value = look_up(name, false).value_or("");
    std::string problem;
    const auto compiled = ShellPattern::compile(pattern, problem);
    if (!compiled) return bad_pattern(pattern, problem);
    return put(out, side == '#' ? compiled->without_prefix(value, longest) : compiled->without_suffix(value, longest));
}

bool Expander::replace(std::string_view name, std::size_t begin, std::string& out) {
    const bool all = peek_is('/');
    if (all) ++at_;
    std::string pattern;
    std::string replacement;
    if (!nested(End::slash, true, true, pattern) || !nested(End::brace, false, true, replacement)) return false;
    if (keeps(name)) return put(out, written(begin));
    const std::string_view value = look_up(name, false).value_or("");
    std::string problem;
    const auto compiled = ShellPattern::compile(pattern, problem);
    if (!compiled) return bad_pattern(pattern, problem);
    // Each byte of the value and one more place can bring the replacement once.
    if (live_ && all && (value.size() + 1) * replacement.size() > 64 * options_.max_result_bytes) {
        return fail(fmt::format("the expansion is longer than {} bytes", options_.max_result_bytes));
    }
    return put(out, compiled->replace(value, replacement, all));
}

Diagnostic failure(const Word& word, const Expander& expander) {
    constexpr std::size_t max_quoted = 200;
    const bool cut = word.text.size() > max_quoted;
    const std::string_view quoted = std::string_view(word.text).substr(0, max_quoted);
    return make_error(word.span,
                      fmt::format("failed to process \"{}{}\": {}", quoted, cut ? "…" : "", expander.message()),
                      expander.hint());
}

Expansion run(const Word& word, const Environment& environment, const ExpandOptions& options) {
    Expansion result;
    if (word.style == WordStyle::literal) {
        result.text = word.text;
        result.words = {word.text};
        return result;
    }
    Expander expander(word, environment, options);
    if (!expander.run(result)) result.error = failure(word, expander);
    return result;
}

}  // namespace

bool has_variables(const Word& word) noexcept {
    return word.style != WordStyle::literal && word.text.find('$') != std::string::npos;
}

Expansion expand(const Word& word, const Environment& environment, const ExpandOptions& options) {
    Expansion result = run(word, environment, options);
    result.words.clear();
    return result;
}

Expansion expand_words(const Word& word, const Environment& environment, const ExpandOptions& options) {
    Expansion result = run(word, environment, options);
    result.text.clear();
    return result;
}

std::optional<Diagnostic> check_syntax(const Word& word) {
    if (word.style == WordStyle::literal) return std::nullopt;
    const Environment nothing;
    const ExpandOptions options;
    Expander expander(word, nothing, options);
    return expander.check() ? std::nullopt : std::optional(failure(word, expander));
}

Diagnostic undefined_variable(std::string_view name, const Environment& environment, Span span) {
    const std::optional<std::string> near = environment.nearest_name(name);
    return {.severity = Severity::warning,
            .rule = "UndefinedVar",
            .message = fmt::format("Usage of undefined variable '${}'", name) +
                       (near ? fmt::format(" (did you mean ${}?)", *near) : ""),
            .span = span,
            .url = "https://docs.docker.com/go/dockerfile/rule/undefined-var/"};
}

}  // namespace imgbuild::parser
