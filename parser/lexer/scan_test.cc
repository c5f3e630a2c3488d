// SPDX-License-Identifier: Apache-2.0
#include "parser/lexer/scan.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "parser/lexer/json_array.h"
#include "parser/lexer/logical_line.h"

using namespace imgbuild::parser;

namespace {

using List = std::vector<std::string>;

List texts(std::string_view text, const std::vector<TextRange>& ranges) {
    List out;
    for (const TextRange range : ranges) out.emplace_back(range.of(text));
    return out;
}

List plain(std::string_view text) { return texts(text, split_plain(text, 0)); }
List quoted(std::string_view text, char escape = '\\') { return texts(text, split_quoted(text, 0, escape)); }

/// "name=value" or "name" for each flag, then "| rest".
List flags(std::string_view text, char escape = '\\') {
    const ScannedFlags scanned = scan_flags(text, 0, escape);
    List out;
    for (const ScannedFlag& flag : scanned.flags) out.push_back(flag.name + (flag.value ? "=" + *flag.value : ""));
    out.push_back("| " + std::string(text.substr(scanned.end)));
    return out;
}

/// A heredoc as "fd:name", with '-' for stripped tabs and '!' for a body that is not expanded.
List heredocs(std::string_view text) {
    List out;
    for (const HeredocWord& word : scan_heredocs(text, 0)) {
        out.push_back((word.descriptor ? std::to_string(*word.descriptor) + ":" : "") + (word.strip_tabs ? "-" : "") +
                      (word.expand ? "" : "!") + word.name);
    }
    return out;
}

}  // namespace

TEST_CASE("plain words know separators and nothing else") {
    CHECK(plain("a  b\tc") == List{"a", "b", "c"});
    CHECK(plain("'a b'") == List{"'a", "b'"});
    CHECK(plain("  ") == List{});
    CHECK(plain("a\\ b") == List{"a\\", "b"});
}

TEST_CASE("quoted words keep their quotes and the blanks in them") {
    CHECK(quoted("a=1 b='x y' c=\"u v\"") == List{"a=1", "b='x y'", "c=\"u v\""});
    CHECK(quoted("a=x\\ y b") == List{"a=x\\ y", "b"});
    CHECK(quoted("a='it''s' b") == List{"a='it''s'", "b"});
    CHECK(quoted("a=\"x\\\" y\" b") == List{"a=\"x\\\" y\"", "b"});
    CHECK(quoted("a='x\\' b") == List{"a='x\\'", "b"});
    CHECK(quoted("a=\"open b") == List{"a=\"open b"});
    CHECK(quoted("a b\\") == List{"a", "b"});
    CHECK(quoted("a b\\\\") == List{"a", "b\\\\"});
    CHECK(quoted("a=x` y", '`') == List{"a=x` y"});
}

TEST_CASE("flags end at the first word without dashes or at a bare pair of them") {
    CHECK(flags("--a=1 --b x --c") == List{"a=1", "b", "| x --c"});
    CHECK(flags("x") == List{"| x"});
    CHECK(flags("-a x") == List{"| -a x"});
    CHECK(flags("--a=1 -- --b x") == List{"a=1", "| --b x"});
    CHECK(flags("--a= x") == List{"a=", "| x"});
    CHECK(flags("--a='x y' z") == List{"a=x y", "| z"});
    CHECK(flags("--a=\"x 'y'\" z") == List{"a=x 'y'", "| z"});
    CHECK(flags("--a=x\\ y z") == List{"a=x y", "| z"});
    CHECK(flags("--mount=type=bind,\"source=a b\" z") == List{"mount=type=bind,source=a b", "| z"});
    CHECK(flags("--a=b=c") == List{"a=b=c", "| "});
    CHECK(flags("--a=x` y z", '`') == List{"a=x y", "| z"});
    CHECK(flags("--a=\\") == List{"a=", "| "});
    CHECK(flags("--") == List{"| "});
}

TEST_CASE("the forms of a heredoc's word") {
    CHECK(heredocs("<<EOF") == List{"EOF"});
    CHECK(heredocs("<<-EOF") == List{"-EOF"});
    CHECK(heredocs("<<'EOF'") == List{"!EOF"});
    CHECK(heredocs("<<\"EOF\"") == List{"!EOF"});
    CHECK(heredocs("<<-'EOF'") == List{"-!EOF"});
    CHECK(heredocs("<<eo'f'") == List{"!eof"});
    CHECK(heredocs("<<'one two'") == List{"!one two"});
    CHECK(heredocs("<<$EOF") == List{"$EOF"});
    CHECK(heredocs("<<${EOF}") == List{"${EOF}"});
    CHECK(heredocs("<<eo\\'f") == List{"eo'f"});
    CHECK(heredocs("<<file.txt") == List{"file.txt"});
    CHECK(heredocs("3<<IN 4<<-OUT") == List{"3:IN", "4:-OUT"});
    CHECK(heredocs("<< EOF") == List{"EOF"});
    CHECK(heredocs("<<- EOF") == List{"-EOF"});
    CHECK(heredocs("<< -EOF") == List{"-EOF"});
    CHECK(heredocs("cat <<A <<B /x") == List{"A", "B"});
    CHECK(heredocs("python3 - <<EOF > out") == List{"EOF"});
    CHECK(scan_heredocs("<< EOF", 0).front().blank_before_name);
    CHECK_FALSE(scan_heredocs("<<EOF", 0).front().blank_before_name);
}

TEST_CASE("what only looks like a heredoc is none") {
    for (const char* text : {"", "x", "<EOF", "<<<EOF", "cat<<EOF", "\"<<EOF\"", "'<<EOF'", "\\<<EOF", "a<<b", "<<",
                             "<<-", "<<A<B", "it's <<EOF", "\"open <<EOF", "${a[0]} <<EOF", "echo $((1<<2))"}) {
        CAPTURE(text);
        CHECK(heredocs(text).empty());
    }
}

TEST_CASE("JSON form is recognised only where it is complete") {
    const auto kind = [](std::string_view text) { return read_json_array(text, 0).kind; };
    using Kind = JsonArray::Kind;
    CHECK(kind("[]") == Kind::of_strings);
    CHECK(kind(" [ ] ") == Kind::of_strings);
    CHECK(kind("[\"a\"]") == Kind::of_strings);
    CHECK(kind("[ \"a\" , \"b\" ]") == Kind::of_strings);
    CHECK(kind("[\"a\",1]") == Kind::of_others);
    CHECK(kind("[null]") == Kind::of_others);
    CHECK(kind("[true,false,-1.5e3]") == Kind::of_others);
    CHECK(kind("[[\"a\"]]") == Kind::of_others);
    CHECK(kind("[{\"a\":[1,\"b\"]}]") == Kind::of_others);
    for (const char* text :
         {"", "a", "[", "[\"a\"", "[\"a\",]", "['a']", "[\"a\"]x", "[\"a\" \"b\"]", "[a]", "[\"a", "[01]", "[\"a\nb\"]",
          "[\"\\x\"]", "[\"\\u12\"]", "{\"a\":1}", "[]random", "[,]", "[1.]", "[-]"}) {
        CAPTURE(text);
        CHECK(kind(text) == Kind::no_array);
    }
    CHECK(kind(std::string(100'000, '[')) == Kind::no_array);
}

TEST_CASE("JSON strings come out with their escapes read and their places kept") {
    const std::string text = R"(  ["a\"b", "\u00e9\ud83d\ude00", "\ud800", "t\tn\n\/"])";
    const JsonArray array = read_json_array(text, 2);
    CHECK(array.values == List{"a\"b", "é😀", "\xEF\xBF\xBD", "t\tn\n/"});
    CHECK(array.ranges.front().of(text) == R"("a\"b")");
}

TEST_CASE("a joined line knows where each of its bytes stands in the file") {
    LogicalLine line;
    line.append("RUN a ", 10);
    line.append("  b", 30);
    CHECK(line.text() == "RUN a   b");
    CHECK(line.span(0, 3) == Span{10, 13});
    CHECK(line.span(4, 5) == Span{14, 15});
    CHECK(line.span(8, 9) == Span{32, 33});
    CHECK(line.span(4, 9) == Span{14, 33});
    CHECK(line.span(0, 6) == Span{10, 16});
    CHECK(LogicalLine("RUN x", {5, 7}).span(2, 3) == Span{5, 7});
}
