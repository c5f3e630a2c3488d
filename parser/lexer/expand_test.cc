// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "parser/lexer/word.h"

using namespace imgbuild::parser;

namespace {

/// The environment of all tables: a set, an empty and a declared variable, and some with odd values.
Environment test_environment() {
    Environment environment{{"v", "foobarbaz"},
                            {"empty", ""},
                            {"n", "5"},
                            {"blank", "a b  c"},
                            {"path", "/usr/local/bin"},
                            {"file", "archive.tar.gz"},
                            {"star", "a*b*c"},
                            {"quoted", "say \"hi\" 'you'"},
                            {"dollar", "$v"},
                            {"back", "a\\b"},
                            {"ports", "80 443/tcp"},
                            {"A1", "one"},
                            {"_x", "under"},
                            {"001", "digits"},
                            {"größe", "umlaut"},
                            {"accent", "éaé"},
                            {"brace", "a}b"},
                            {"slash", "a/b/c"}};
    environment.declare("declared");
    return environment;
}

struct Row {
    const char* word;
    const char* result;
};

void check_rows(const std::vector<Row>& rows, char escape = '\\', WordStyle style = WordStyle::shell) {
    const Environment environment = test_environment();
    for (const Row& row : rows) {
        CAPTURE(row.word);
        const Expansion expansion = expand({row.word, {}, style, escape}, environment);
        CHECK_MESSAGE(expansion.ok(), (expansion.error ? expansion.error->message : ""));
        CHECK(expansion.text == row.result);
    }
}

void check_errors(const std::vector<Row>& rows) {
    const Environment environment = test_environment();
    for (const Row& row : rows) {
        CAPTURE(row.word);
        const Word word{row.word, {3, 9}};
        const Expansion expansion = expand(word, environment);
        REQUIRE(expansion.error);
        CHECK(expansion.error->message == "failed to process \"" + std::string(row.word) + "\": " + row.result);
        CHECK(expansion.error->span == Span{3, 9});
    }
}

}  // namespace

TEST_CASE("plain text, quotes and escapes come out as the language says") {
    check_rows({
        {"", ""},
        {"plain", "plain"},
        {"two words", "two words"},
        {"a  b", "a  b"},
        {"'single'", "single"},
        {"\"double\"", "double"},
        {"''", ""},
        {"\"\"", ""},
        {"a'b'c", "abc"},
        {"a\"b\"c", "abc"},
        {"'a b'", "a b"},
        {"'a\"b'", "a\"b"},
        {"\"a'b\"", "a'b"},
        {"'$v'", "$v"},
        {"'\\'", "\\"},
        {"'a\\nb'", "a\\nb"},
        {"\\a", "a"},
        {"\\\\", "\\"},
        {"\\'", "'"},
        {"\\\"", "\""},
        {"\\$v", "$v"},
        {"\\${v}", "${v}"},
        {"\\ ", " "},
        {"a\\", "a"},
        {"\"a\\b\"", "a\\b"},
        {"\"a\\\"b\"", "a\"b"},
        {"\"a\\$v\"", "a$v"},
        {"\"a\\\\b\"", "a\\b"},
        {"\"a\\`b\"", "a\\`b"},
        {"\"$v\"", "foobarbaz"},
        {"\"${v}\"", "foobarbaz"},
        {"\"a ${v} b\"", "a foobarbaz b"},
        {"'a'$v'b'", "afoobarbazb"},
        {"\"\"''x", "x"},
        {"ünïcode", "ünïcode"},
        {"a`b`c", "a`b`c"},
        {"~/$(x)", "~/$(x)"},
        {"a\tb", "a\tb"},
        {"*?[x]", "*?[x]"},
        {"a#b", "a#b"},
    });
}

TEST_CASE("a name after a dollar goes as far as letters, digits and underscores do") {
    check_rows({
        {"$v", "foobarbaz"},
        {"$v.x", "foobarbaz.x"},
        {"$v/x", "foobarbaz/x"},
        {"$v-x", "foobarbaz-x"},
        {"$v$n", "foobarbaz5"},
        {"${v}x", "foobarbazx"},
        {"$vx", ""},
        {"$_x", "under"},
        {"$A1", "one"},
        {"$A1b", ""},
        {"$001aaa", "digitsaaa"},
        {"$002aaa", "aaa"},
        {"${001}", "digits"},
        {"$größe", "umlaut"},
        {"${größe}", "umlaut"},
        {"$v–$n", "foobarbaz–5"},
        {"$v→", "foobarbaz→"},
        {"$v😀", "foobarbaz😀"},
        {"$", "$"},
        {"a$", "a$"},
        {"$ x", "$ x"},
        {"$.x", "$.x"},
        {"$/x", "$/x"},
        {"$,", "$,"},
        {"$$v", "v"},
        {"$@x", "x"},
        {"$*x", "x"},
        {"$#x", "x"},
        {"$?x", "x"},
        {"$-x", "x"},
        {"$!x", "x"},
        {"${@}x", "x"},
        {"$unset", ""},
        {"${unset}", ""},
        {"$declared", ""},
        {"$empty", ""},
        {"[$unset]", "[]"},
        {"$dollar", "$v"},
        {"$back", "a\\b"},
        {"$quoted", "say \"hi\" 'you'"},
        {"$blank", "a b  c"},
    });
}

TEST_CASE("a fallback stands in for what is unset, with a colon also for what is empty") {
    check_rows({
        {"${v:-w}", "foobarbaz"},
        {"${v-w}", "foobarbaz"},
        {"${unset:-w}", "w"},
        {"${unset-w}", "w"},
        {"${empty:-w}", "w"},
        {"${empty-w}", ""},
        {"${declared:-w}", "w"},
        {"${declared-w}", "w"},
        {"${unset:-}", ""},
        {"${unset-}", ""},
        {"${unset:-$v}", "foobarbaz"},
        {"${unset:-${v}}", "foobarbaz"},
        {"${unset:-${gone:-deep}}", "deep"},
        {"${unset:-a b}", "a b"},
        {"${unset:-'a}b'}", "a}b"},
        {"${unset:-\"a}b\"}", "a}b"},
        {"${unset:-a\\}b}", "a}b"},
        {"${unset:-\\$v}", "$v"},
        {"${unset:--}", "-"},
        {"${unset:-:-}", ":-"},
        {"\"${unset:-a \"b c\" d}\"", "a b c d"},
        {"${unset:-x}${unset:-y}", "xy"},
        {"${v:-${also:?never asked}}", "foobarbaz"},
        {"${v:+w}", "w"},
        {"${v+w}", "w"},
        {"${unset:+w}", ""},
        {"${unset+w}", ""},
        {"${empty:+w}", ""},
        {"${empty+w}", "w"},
        {"${declared+w}", ""},
        {"${v:+$n}", "5"},
        {"${v:+${unset:-x}}", "x"},
        {"${unset:+${also:?never asked}}", ""},
        {"${v:?msg}", "foobarbaz"},
        {"${v?msg}", "foobarbaz"},
        {"${empty?msg}", ""},
        {"${v:?}", "foobarbaz"},
    });
}

TEST_CASE("patterns take the shortest or longest part off either end") {
    check_rows({
        {"${v#foo}", "barbaz"},
        {"${v#bar}", "foobarbaz"},
        {"${v#*o}", "obarbaz"},
        {"${v##*o}", "barbaz"},
        {"${v#*}", "foobarbaz"},
        {"${v##*}", ""},
        {"${v#?}", "oobarbaz"},
        {"${v##???}", "barbaz"},
        {"${v#*ba}", "rbaz"},
        {"${v##*ba}", "z"},
        {"${v##f*b}", "az"},
        {"${v#f*b}", "arbaz"},
        {"${v%baz}", "foobar"},
        {"${v%foo}", "foobarbaz"},
        {"${v%b*}", "foobar"},
        {"${v%%b*}", "foo"},
        {"${v%*}", "foobarbaz"},
        {"${v%%*}", ""},
        {"${v%?}", "foobarba"},
        {"${v%%o*z}", "f"},
        {"${v%o*z}", "fo"},
        {"${path##*/}", "bin"},
        {"${path%/*}", "/usr/local"},
        {"${path#/}", "usr/local/bin"},
        {"${file%.gz}", "archive.tar"},
        {"${file%%.*}", "archive"},
        {"${file#*.}", "tar.gz"},
        {"${file##*.}", "gz"},
        {"${file%.tar*}", "archive"},
        {"${star#a\\*}", "b*c"},
        {"${star##*\\*}", "c"},
        {"${back##*\\\\}", "b"},
        {"${v#$unset}", "foobarbaz"},
        {"${v#${v%barbaz}}", "barbaz"},
        {"${v#\"foo\"}", "barbaz"},
        {"${v#'f*'}", "oobarbaz"},
        {"${brace#a\\}}", "b"},
        {"${slash%/*}", "a/b"},
        {"${slash%%/*}", "a"},
        {"${slash#*\\/}", "b/c"},
        {"${unset#x}", ""},
        {"${unset%%x}", ""},
        {"${empty#x}", ""},
        {"${accent#?}", "aé"},
        {"${accent%?}", "éa"},
        {"${v#}", "foobarbaz"},
        {"${v%}", "foobarbaz"},
    });
}

TEST_CASE("a replacement takes the first or every leftmost, longest match") {
    check_rows({
        {"${v/bar/X}", "fooXbaz"},
        {"${v/ba/X}", "fooXrbaz"},
        {"${v//ba/X}", "fooXrXz"},
        {"${v//o/0}", "f00barbaz"},
        {"${v/o/0}", "f0obarbaz"},
        {"${v/none/X}", "foobarbaz"},
        {"${v/bar/}", "foobaz"},
        {"${v//ba/}", "foorz"},
        {"${v/b*/X}", "fooX"},
        {"${v//b*/X}", "fooX"},
        {"${v/b?r/X}", "fooXbaz"},
        {"${v//ba?/X}", "fooXX"},
        {"${v//*/X}", "X"},
        {"${v/*/X}", "X"},
        {"${v/?/X}", "Xoobarbaz"},
        {"${v//?/X}", "XXXXXXXXX"},
        {"${path/local/x}", "/usr/x/bin"},
        {"${path//\\//-}", "-usr-local-bin"},
        {"${path/\\/usr/\\/opt}", "/opt/local/bin"},
        {"${slash//\\//}", "abc"},
        {"${slash//\\//\\}}", "a}b}c"},
        {"${star//\\*/x}", "axbxc"},
        {"${star/\\*b\\*/x}", "axc"},
        {"${v/$unset/X}", "Xfoobarbaz"},
        {"${v/bar/$n}", "foo5baz"},
        {"${v/bar/${unset:-y}}", "fooybaz"},
        {"${v//\"ba\"/X}", "fooXrXz"},
        {"${v/bar/a b}", "fooa bbaz"},
        {"${v//o/$dollar}", "f$v$vbarbaz"},
        {"${v//a/\\$1}", "foob$1rb$1z"},
        {"${unset/a/b}", ""},
        {"${empty//a/b}", ""},
        {"${accent//é/e}", "eae"},
        {"${accent//?/x}", "xxx"},
        {"${blank// /_}", "a_b__c"},
        {"${blank//  /_}", "a b_c"},
    });
}

TEST_CASE("the backtick escapes where the file says so") {
    check_rows({{"`$v", "$v"},
                {"a`b", "ab"},
                {"``", "`"},
                {"C:\\dir\\$v", "C:\\dir\\foobarbaz"},
                {"\"a`\"b\"", "a\"b"},
                {"\"a`$v\"", "a$v"},
                {"${unset:-a`}b}", "a}b"},
                {"${star#a`*}", "b*c"},
                {"a`", "a"}},
               '`');
}

TEST_CASE("in a heredoc quotes are ordinary and only the backslash escapes") {
    check_rows({{"$v\n", "foobarbaz\n"},
                {"'$v' \"$v\"", "'foobarbaz' \"foobarbaz\""},
                {"\\$v", "$v"},
                {"a\\\\b", "a\\b"},
                {"a\\b", "ab"},
                {"a\\\nb", "a\nb"},
                {"it's $unset.", "it's ."},
                {"${unset:-\"x\"}", "\"x\""}},
               '`', WordStyle::heredoc);
    check_rows({{"$v 'x' \\$", "$v 'x' \\$"}}, '\\', WordStyle::literal);
}

TEST_CASE("each fault of a word has its own message") {
    check_errors({
        {"'a", "unexpected end of statement while looking for matching single-quote"},
        {"\"a", "unexpected end of statement while looking for matching double-quote"},
        {"\"a\\\"", "unexpected end of statement while looking for matching double-quote"},
        {"a'b'c'", "unexpected end of statement while looking for matching single-quote"},
        {"${", "syntax error: missing '}'"},
        {"${v", "syntax error: missing '}'"},
        {"${v:-", "syntax error: missing '}'"},
        {"${v:-a", "syntax error: missing '}'"},
        {"${v:-${n}", "syntax error: missing '}'"},
        {"${v#a", "syntax error: missing '}'"},
        {"${v/a/b", "syntax error: missing '}'"},
        {"${v/a}", "syntax error: missing '/' in ${}"},
        {"${v//a}", "syntax error: missing '/' in ${}"},
        {"${}", "syntax error: bad substitution"},
        {"${:x}", "syntax error: bad substitution"},
        {"${{v}}", "syntax error: bad substitution"},
        {"${v:=x}", "unsupported modifier (:=) in substitution"},
        {"${v=x}", "unsupported modifier (=) in substitution"},
        {"${v:x}", "unsupported modifier (:x) in substitution"},
        {"${v:1:2}", "unsupported modifier (:1) in substitution"},
        {"${v:#x}", "unsupported modifier (:#) in substitution"},
        {"${v^}", "unsupported modifier (^) in substitution"},
        {"${v[0]}", "unsupported modifier ([) in substitution"},
        {"${v,}", "unsupported modifier (,) in substitution"},
        {"${v…}", "unsupported modifier (…) in substitution"},
        {"${.}", "unsupported modifier (.) in substitution"},
        {"${unset?msg}", "unset: msg"},
        {"${unset:?msg}", "unset: msg"},
        {"${empty:?msg}", "empty: msg"},
        {"${declared?msg}", "declared: msg"},
        {"${unset?}", "unset: is not allowed to be unset"},
        {"${unset:?}", "unset: is not allowed to be unset"},
        {"${empty:?}", "empty: is not allowed to be empty"},
        {"${unset:?\"needs $v\"}", "unset: needs foobarbaz"},
        {"${unset:-${gone:?deep}}", "gone: deep"},
        {"${v#\\a}", "invalid pattern (\\a) in substitution: invalid escape '\\a'"},
        {"${v//\\[/x}", "invalid pattern (\\[) in substitution: invalid escape '\\['"},
    });
}

TEST_CASE("a fault in a part that is not taken is found too, if it is one of syntax") {
    const Environment environment = test_environment();
    CHECK_FALSE(expand({"${v:-${}}", {}}, environment).ok());
    CHECK(expand({"${v:-${n#\\a}}", {}}, environment).ok());
    CHECK(check_syntax({"${unset:?x}", {}}) == std::nullopt);
    REQUIRE(check_syntax({"a ${x:y}", {1, 5}}));
    CHECK(check_syntax({"a ${x:y}", {1, 5}})->message ==
          "failed to process \"a ${x:y}\": unsupported modifier (:y) in substitution");
    CHECK(check_syntax({"${x", {}, WordStyle::literal}) == std::nullopt);
}

TEST_CASE("splitting separates unquoted blanks, also those of values") {
    const Environment environment = test_environment();
    const auto words = [&](const char* text) { return expand_words({text, {}}, environment).words; };
    using List = std::vector<std::string>;
    CHECK(words("$ports") == List{"80", "443/tcp"});
    CHECK(words("\"$ports\"") == List{"80 443/tcp"});
    CHECK(words("a$ports") == List{"a80", "443/tcp"});
    CHECK(words("${ports}b") == List{"80", "443/tcpb"});
    CHECK(words("$blank") == List{"a", "b", "c"});
    CHECK(words("'a b' c") == List{"a b", "c"});
    CHECK(words("a\\ b c") == List{"a b", "c"});
    CHECK(words("  a   b  ") == List{"a", "b"});
    CHECK(words("$empty") == List{});
    CHECK(words("$unset x") == List{"x"});
    CHECK(words("${unset:-8080 9090}") == List{"8080", "9090"});
    CHECK(words("") == List{});
}

TEST_CASE("an expansion tells what it read and what of that nobody declared") {
    const Environment environment = test_environment();
    using List = std::vector<std::string>;
    const Expansion plain = expand({"$v ${unset} $declared $v $gone", {}}, environment);
    CHECK(plain.read == List{"v", "unset", "declared", "gone"});
    CHECK(plain.undefined == List{"unset", "gone"});
    const Expansion fallback = expand({"${unset:-$other} ${gone:+$never} ${lost#x}", {}}, environment);
    CHECK(fallback.read == List{"unset", "other", "gone", "lost"});
    CHECK(fallback.undefined == List{"other", "lost"});
    CHECK(expand({"'$unset'", {}}, environment).read.empty());
}

TEST_CASE("for labels an unset variable stays as it is written") {
    const Environment environment = test_environment();
    const auto kept = [&](const char* text) { return expand({text, {}}, environment, {.keep_unset = true}).text; };
    CHECK(kept("$unset $v") == "$unset foobarbaz");
    CHECK(kept("${unset}") == "${unset}");
    CHECK(kept("${unset:-a b}/$n") == "${unset:-a b}/5");
    CHECK(kept("${unset:?no}") == "${unset:?no}");
    CHECK(kept("${unset/a/b} ${unset##x}") == "${unset/a/b} ${unset##x}");
    CHECK(kept("$declared") == "$declared");
}

TEST_CASE("a result beyond the limit is refused and not built") {
    Environment environment{{"a", std::string(1000, 'x')}};
    const Word word{"$a$a$a", {}};
    CHECK(expand(word, environment, {.max_result_bytes = 3000}).ok());
    const Expansion expansion = expand(word, environment, {.max_result_bytes = 2999});
    REQUIRE(expansion.error);
    CHECK(expansion.error->message == "failed to process \"$a$a$a\": the expansion is longer than 2999 bytes");
    CHECK_FALSE(expand({"${a//x/$a}", {}}, environment, {.max_result_bytes = 10000}).ok());
}

TEST_CASE("a megabyte of nested braces is refused at once") {
    std::string text;
    for (int i = 0; i < 250'000; ++i) text += "${a:-";
    const Expansion expansion = expand({text, {}}, {});
    REQUIRE(expansion.error);
    CHECK(expansion.error->message.ends_with("more than 100 nested ${"));

    std::string allowed;
    for (int i = 0; i < 100; ++i) allowed += "${a:-";
    allowed += "x" + std::string(100, '}');
    CHECK(expand({allowed, {}}, {}).text == "x");
}

TEST_CASE("a pattern that would blow up a backtracking matcher takes no time") {
    const Environment environment{{"a", std::string(200'000, 'a')}};
    CHECK(expand({"${a//*a*a*a*a*a*a*b/x}", {}}, environment).text.size() == 200'000);
    CHECK(expand({"${a##*a*a*a*a*a*b}", {}}, environment).text.size() == 200'000);
    CHECK(expand({"${a%%b*a*a*a*a*a*a}", {}}, environment).text.size() == 200'000);
    CHECK(expand({"${a//a*a*a/x}", {}}, environment).text == "x");
}

TEST_CASE("bytes that are no UTF-8 pass through") {
    const Environment environment{{"b", "x\xFFy\xC3"}};
    CHECK(expand({"$b\xFE", {}}, environment).text == "x\xFFy\xC3\xFE");
    CHECK(expand({"${b//?/z}", {}}, environment).text == "zzzz");
    CHECK(expand({"${b#x}", {}}, environment).text == "\xFFy\xC3");
}

TEST_CASE("an environment keeps the order of first mention and the last value") {
    Environment environment;
    environment.set("b", "1");
    environment.declare("c");
    environment.set("a", "2");
    environment.set("b", "3");
    environment.declare("a");
    CHECK(environment.variables() == std::vector<Variable>{{"b", "3"}, {"c", std::nullopt}, {"a", "2"}});
    CHECK(environment.find("c") == std::nullopt);
    CHECK(environment.declares("c"));
    CHECK_FALSE(environment.declares("d"));
    CHECK(Environment{{"VERSION", ""}}.nearest_name("VERSOIN") == "VERSION");
}

TEST_CASE("the check for an undefined variable suggests the nearest name") {
    const Environment environment{{"VERSION", "1"}};
    const Diagnostic near = undefined_variable("VERSOIN", environment, {2, 4});
    CHECK(near.message == "Usage of undefined variable '$VERSOIN' (did you mean $VERSION?)");
    CHECK(near.rule == "UndefinedVar");
    CHECK(near.url == "https://docs.docker.com/go/dockerfile/rule/undefined-var/");
    CHECK(undefined_variable("foo", environment, {}).message == "Usage of undefined variable '$foo'");
}
