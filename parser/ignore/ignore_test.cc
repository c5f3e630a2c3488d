// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "parser/ignore/ignore_rules.h"

using namespace imgbuild::parser;

namespace {

struct Row {
    const char* pattern;
    const char* path;
    bool matches;
};

void check_rows(const std::vector<Row>& rows, PatternDialect dialect) {
    for (const Row& row : rows) {
        CAPTURE(row.pattern);
        CAPTURE(row.path);
        std::string problem;
        const auto pattern = PathPattern::compile(row.pattern, dialect, problem);
        REQUIRE_MESSAGE(pattern, problem);
        CHECK(pattern->matches(row.path) == row.matches);
    }
}

IgnoreRules rules_of(const std::string& text) {
    Diagnostics diagnostics;
    IgnoreRules rules = IgnoreRules::parse(Source(".dockerignore", text), diagnostics);
    CHECK(diagnostics.empty());
    return rules;
}

/// "line: message" of each fault.
std::vector<std::string> problems(const std::string& text) {
    const Source source(".dockerignore", text);
    Diagnostics diagnostics;
    IgnoreRules::parse(source, diagnostics);
    std::vector<std::string> out;
    for (const Diagnostic& diagnostic : diagnostics) {
        out.push_back(std::to_string(source.line_of(diagnostic.span.begin)) + ": " + diagnostic.message);
    }
    return out;
}

/// The slow and plain reading of the dialect, by trying everything.
bool slow_match(std::string_view pattern, std::string_view path) {
    if (pattern.empty()) return path.empty();
    if (pattern.starts_with("**")) {
        std::string_view rest = pattern.substr(2);
        while (rest.starts_with('*')) rest.remove_prefix(1);
        if (rest.starts_with('/')) rest.remove_prefix(1);
        if (rest.empty()) return true;
        if (slow_match(rest, path)) return true;
        for (std::size_t i = 0; i < path.size(); ++i) {
            if (path[i] == '/' && slow_match(rest, path.substr(i + 1))) return true;
        }
        return false;
    }
    if (pattern.front() == '*') {
        for (std::size_t i = 0; i <= path.size(); ++i) {
            if (slow_match(pattern.substr(1), path.substr(i))) return true;
            if (i < path.size() && path[i] == '/') return false;
        }
        return false;
    }
    if (path.empty()) return false;
    const bool one = pattern.front() == '?' ? path.front() != '/' : pattern.front() == path.front();
    return one && slow_match(pattern.substr(1), path.substr(1));
}

}  // namespace

TEST_CASE("patterns of ignore files against paths") {
    check_rows(
        {
            {"a", "a", true},
            {"a", "b", false},
            {"a", "a/b", false},
            {"a/b", "a/b", true},
            {"a/b", "a/bc", false},
            {"*", "a", true},
            {"*", ".hidden", true},
            {"*", "a/b", false},
            {"*.md", "README.md", true},
            {"*.md", "docs/README.md", false},
            {"*.md", ".md", true},
            {"*.md", "x.mdx", false},
            {"a*", "a", true},
            {"a*", "abc", true},
            {"a*", "ba", false},
            {"a*c", "abc", true},
            {"a*c", "abcd", false},
            {"a*c", "ac", true},
            {"a*c", "a/c", false},
            {"*a*", "bab", true},
            {"*a*b*", "xaxbx", true},
            {"*a*b*", "xbxax", false},
            {"a*b*c", "abbbc", true},
            {"*/x", "a/x", true},
            {"*/x", "x", false},
            {"*/x", "a/b/x", false},
            {"*/*/x", "a/b/x", true},
            {"*/temp*", "dir/temporary", true},
            {"*/temp*", "temporary", false},
            {"?", "a", true},
            {"?", "ab", false},
            {"?", "/", false},
            {"temp?", "tempa", true},
            {"temp?", "temp", false},
            {"a?b", "a/b", false},
            {"?", "é", true},
            {"??", "é", false},
            {"**", "a", true},
            {"**", "a/b/c", true},
            {"**/x", "x", true},
            {"**/x", "a/x", true},
            {"**/x", "a/b/x", true},
            {"**/x", "ax", false},
            {"**/x", "x/a", false},
            {"**/*.go", "x.go", true},
            {"**/*.go", "a/b/x.go", true},
            {"**/*.go", "a/b/xgo", false},
            {"a/**", "a/b", true},
            {"a/**", "a/b/c", true},
            {"a/**", "a", false},
            {"a/**", "ab", false},
            {"a/**/b", "a/b", true},
            {"a/**/b", "a/x/b", true},
            {"a/**/b", "a/x/y/b", true},
            {"a/**/b", "a/xb", false},
            {"a/**/b", "ab", false},
            {"**/a/**/b", "x/a/y/b", true},
            {"**/a/**/b", "a/b", true},
            {"**/a/**/b", "b/a", false},
            {"**/**/x", "a/b/x", true},
            {"a**", "a", true},
            {"a**", "abc/d", true},
            {"a**b", "ab", true},
            {"a**b", "a/b", true},
            {"a**b", "axx/b", true},
            {"a**b", "axb", false},
            {"***", "a/b", true},
            {"**/*", "a/b", true},
            {"**/a*/b?", "x/ab/bc", true},
            {"**/a*/b?", "x/ab/b", false},
            {"[abc]", "b", true},
            {"[abc]", "d", false},
            {"[a-c]x", "bx", true},
            {"[a-c]x", "dx", false},
            {"[^a-c]", "d", true},
            {"[^a-c]", "a", false},
            {"[^a]", "/", false},
            {"[é]", "é", true},
            {"[a-zß]", "ß", true},
            {"[\\]]", "]", true},
            {"[\\-x]", "-", true},
            {"x[0-9]*", "x1.log", true},
            {"\\*", "*", true},
            {"\\*", "a", false},
            {"a\\?b", "a?b", true},
            {"\\[a]", "[a]", true},
            {"\\a", "a", true},
            {"a.b", "a.b", true},
            {"a.b", "axb", false},
            {"a+(b)$^{}|", "a+(b)$^{}|", true},
            {"A", "a", false},
            {" a", " a", true},
            {"foo/*/bar/**/baz*", "foo/x/bar/baz", true},
            {"foo/*/bar/**/baz*", "foo/x/bar/y/z/bazooka", true},
            {"foo/*/bar/**/baz*", "foo/bar/baz", false},
            {"**/*a/*b", "x/ya/zb", true},
            {"**/*a/*b", "ya/zb", true},
            {"**/*a/*b", "ya/b/zb", false},
        },
        PatternDialect::ignore);
}

TEST_CASE("patterns of COPY sources against paths") {
    check_rows(
        {
            {"*", "a", true},
            {"*", "a/b", false},
            {"**", "a", true},
            {"**", "a/b", false},
            {"a/**", "a/b", true},
            {"a/**", "a/b/c", false},
            {"**/x", "a/x", true},
            {"**/x", "x", false},
            {"**/x", "a/b/x", false},
            {"*.txt", "a.txt", true},
            {"hom*", "home.txt", true},
            {"hom?.txt", "home.txt", true},
            {"arr[[]0].txt", "arr[0].txt", true},
            {"[^a]b", "cb", true},
            {"sub/*/x", "sub/d/x", true},
            {"sub/*/x", "sub/x", false},
        },
        PatternDialect::glob);
    CHECK(glob_match("*.c", "main.c"));
    CHECK_FALSE(glob_match("[", "["));
}

TEST_CASE("a malformed pattern says what is wrong with it") {
    const auto problem_of = [](const char* text) {
        std::string problem;
        CHECK_FALSE(PathPattern::compile(text, PatternDialect::ignore, problem));
        return problem;
    };
    CHECK(problem_of("[") == "a character class does not end");
    CHECK(problem_of("[a") == "a character class does not end");
    CHECK(problem_of("[a-") == "a character class does not end");
    CHECK(problem_of("[a-]") == "a character class does not end");
    CHECK(problem_of("[]") == "a character class is empty or begins a range with '-'");
    CHECK(problem_of("[]a]") == "a character class is empty or begins a range with '-'");
    CHECK(problem_of("[-x]") == "a character class is empty or begins a range with '-'");
    CHECK(problem_of("[z-a]") == "a range of a character class runs backwards");
    CHECK(problem_of("a\\") == "it ends in a backslash");
}

TEST_CASE("a wildcard is told from an escaped one") {
    CHECK(has_wildcard("a*"));
    CHECK(has_wildcard("?"));
    CHECK(has_wildcard("[a]"));
    CHECK_FALSE(has_wildcard("a\\*"));
    CHECK_FALSE(has_wildcard("abc"));
}

TEST_CASE("the fast matcher agrees with the plain one") {
    std::mt19937 random(7);
    const auto text_of = [&](std::string_view alphabet, std::size_t max) {
        std::string text;
        for (std::size_t i = random() % max + 1; i > 0; --i) text += alphabet[random() % alphabet.size()];
        return text;
    };
    for (int round = 0; round < 40'000; ++round) {
        const std::string pattern = text_of("ab/**?", 9);
        const std::string path = text_of("ab//", 10);
        std::string problem;
        const auto compiled = PathPattern::compile(pattern, PatternDialect::ignore, problem);
        CAPTURE(pattern);
        CAPTURE(path);
        REQUIRE(compiled->matches(path) == slow_match(pattern, path));
    }
}

TEST_CASE("what could lie below a directory is never ruled out wrongly") {
    std::mt19937 random(8);
    const auto text_of = [&](std::string_view alphabet, std::size_t max) {
        std::string text;
        for (std::size_t i = random() % max + 1; i > 0; --i) text += alphabet[random() % alphabet.size()];
        return text;
    };
    for (int round = 0; round < 40'000; ++round) {
        std::string problem;
        const std::string pattern = text_of("ab/*?", 8);
        const auto compiled = PathPattern::compile(pattern, PatternDialect::ignore, problem);
        const std::string directory = text_of("ab", 2);
        const std::string path = directory + "/" + text_of("ab/", 5);
        CAPTURE(pattern);
        CAPTURE(path);
        if (compiled->matches(path)) REQUIRE(compiled->may_match_below(directory));
    }
    std::string problem;
    const auto below = [&](const char* pattern, const char* path) {
        return PathPattern::compile(pattern, PatternDialect::ignore, problem)->may_match_below(path);
    };
    CHECK(below("docs/README.md", "docs"));
    CHECK(below("docs/README.md", ""));
    CHECK_FALSE(below("docs/README.md", "doc"));
    CHECK_FALSE(below("docs/README.md", "other"));
    CHECK_FALSE(below("docs", "docs"));
    CHECK(below("*/README.md", "docs"));
    CHECK_FALSE(below("*.md", "docs"));
    CHECK(below("**/x", "a/b/c"));
    CHECK_FALSE(below("a/*/c", "a/b/c"));
}

TEST_CASE("lines of an ignore file are trimmed, cleaned and numbered") {
    const IgnoreRules rules = rules_of("\xEF\xBB\xBF# comment\n\n  a  \r\n!  b\n/c/\n./d//e/../f\n #x\n..\n");
    std::vector<std::string> patterns;
    for (const IgnoreRule& rule : rules.rules()) {
        patterns.push_back((rule.exception ? "!" : "") + rule.pattern + ":" + std::to_string(rule.line));
    }
    CHECK(patterns == std::vector<std::string>{"a:3", "!b:4", "c:5", "d/f:6", "#x:7", "..:8"});
    CHECK(rules.has_exceptions());
    CHECK(rules_of("").empty());
    CHECK(rules_of("\n# only\n").empty());
}

TEST_CASE("wrong lines are reported with their number, and the others count") {
    CHECK(problems("a\n!\n") == std::vector<std::string>{"2: illegal exclusion pattern: \"!\""});
    CHECK(problems("! \n[\nabc\\\n") ==
          std::vector<std::string>{"1: illegal exclusion pattern: \"!\"",
                                   "2: syntax error in pattern: [: a character class does not end",
                                   "3: syntax error in pattern: abc\\: it ends in a backslash"});
}

TEST_CASE("the last rule that matches a path or a directory above it decides") {
    struct Verdict {
        const char* rules;
        const char* path;
        bool ignored;
        std::size_t line;
    };
    for (const Verdict& row : std::vector<Verdict>{
             {"a\n", "a", true, 1},
             {"a\n", "a/b/c", true, 1},
             {"a\n", "b", false, 0},
             {"a\n", "ab", false, 0},
             {"docs\n!docs/README.md\n", "docs", true, 1},
             {"docs\n!docs/README.md\n", "docs/README.md", false, 2},
             {"docs\n!docs/README.md\n", "docs/other", true, 1},
             {"!docs/README.md\ndocs\n", "docs/README.md", true, 2},
             {"*.md\n!README.md\n", "README.md", false, 2},
             {"*.md\n!README*.md\nREADME-secret.md\n", "README-secret.md", true, 3},
             {"*.md\n!README*.md\nREADME-secret.md\n", "README-x.md", false, 2},
             {"*\n!src\n", "src", false, 2},
             {"*\n!src\n", "src/a/b", false, 2},
             {"*\n!src\nsrc/a\n", "src/a/b", true, 3},
             {"*\n!src\n", "lib/src", true, 1},
             {"**\n!**/*.go\n", "a/b.go", false, 2},
             {"**\n!**/*.go\n", "a/b.c", true, 1},
             {"a\na/b\n", "a/b", true, 1},
             {"a/b\n!a\n", "a/b", false, 2},
             {"!a\n", "a", false, 0},
             {"a\n!a/b\na/b/c\n", "a/b/d", false, 2},
             {"a\n!a/b\na/b/c\n", "a/b/c", true, 3},
             {"node_modules\n", "x/node_modules", false, 0},
             {"**/node_modules\n", "x/node_modules/y/z", true, 1},
             {".git\n", ".git/config", true, 1},
             {"/a\n", "a", true, 1},
         }) {
        CAPTURE(row.rules);
        CAPTURE(row.path);
        CHECK(rules_of(row.rules).match(row.path) == IgnoreVerdict{row.ignored, row.line});
    }
}

TEST_CASE("a walker that passes states on gets the verdicts of single questions") {
    const IgnoreRules rules = rules_of("a\n!a/b\n**/*.o\n!keep/**\nkeep/x\n*z\n");
    IgnoreState root;
    for (const char* top : {"a", "keep", "q", "xz"}) {
        IgnoreState top_state;
        CHECK(rules.match(top, root, &top_state) == rules.match(top));
        for (const char* name : {"b", "c", "m.o", "x"}) {
            const std::string path = std::string(top) + "/" + name;
            IgnoreState state;
            CHECK(rules.match(path, top_state, &state) == rules.match(path));
            for (const char* leaf : {"n.o", "y"}) {
                const std::string deep = path + "/" + leaf;
                CHECK(rules.match(deep, state) == rules.match(deep));
            }
        }
    }
}

TEST_CASE("only an exception that could match below makes an ignored directory worth entering") {
    const IgnoreRules rules = rules_of("docs\nbuild\n!docs/*.md\n!**/keep\n");
    CHECK(rules.may_reinclude_below("docs"));
    CHECK(rules.may_reinclude_below("build"));
    const IgnoreRules plain = rules_of("docs\nbuild\n!docs/*.md\n");
    CHECK(plain.may_reinclude_below("docs"));
    CHECK_FALSE(plain.may_reinclude_below("build"));
    CHECK_FALSE(plain.may_reinclude_below("docs/sub"));
    CHECK_FALSE(rules_of("docs\n").may_reinclude_below("docs"));
}

TEST_CASE("the patterns of --exclude use the same rules") {
    Diagnostics diagnostics;
    const std::vector<std::string> patterns{"*.txt", "!keep.txt"};
    const IgnoreRules rules = IgnoreRules::from_patterns(patterns, {4, 9}, diagnostics);
    CHECK(rules.match("a.txt").ignored);
    CHECK_FALSE(rules.match("keep.txt").ignored);
    CHECK_FALSE(rules.match("a/b.txt").ignored);
    IgnoreRules::from_patterns(std::vector<std::string>{"["}, {4, 9}, diagnostics);
    REQUIRE(diagnostics.size() == 1);
    CHECK(diagnostics[0].span == Span{4, 9});
}

TEST_CASE("patterns that blow up a backtracking matcher take no time") {
    const IgnoreRules rules = rules_of("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b\n**/**/**/**/**/**/**/**/**/**/z\n");
    std::string path = "a";
    for (int i = 0; i < 1500; ++i) path += i % 10 == 0 ? "/a" : "a";
    for (int i = 0; i < 100; ++i) CHECK_FALSE(rules.match(path).ignored);
}
