// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "parser/syntax/syntax_tree.h"

using namespace imgbuild::parser;

namespace {

using List = std::vector<std::string>;

/// The joined lines of the instructions of a text.
List joined(const std::string& text) {
    const Source source("B", text);
    Diagnostics diagnostics;
    List out;
    for (const SyntaxNode& node : parse_syntax(source, diagnostics).nodes) {
        if (node.instruction) out.push_back(node.instruction->line.text());
    }
    return out;
}

/// "line: message" of each diagnostic.
List problems(const std::string& text) {
    const Source source("B", text);
    Diagnostics diagnostics;
    parse_syntax(source, diagnostics);
    List out;
    for (const Diagnostic& diagnostic : diagnostics) {
        out.push_back(std::to_string(source.line_of(diagnostic.span.begin)) + ": " + diagnostic.message);
    }
    return out;
}

/// The bodies of the first instruction's heredocs.
List bodies(const std::string& text) {
    const Source source("B", text);
    Diagnostics diagnostics;
    List out;
    for (const SyntaxNode& node : parse_syntax(source, diagnostics).nodes) {
        if (!node.instruction) continue;
        for (const HeredocSyntax& heredoc : node.instruction->heredocs) out.push_back(heredoc.body);
        break;
    }
    return out;
}

void check_lossless(const std::string& text) {
    const Source source("B", text);
    Diagnostics diagnostics;
    const SyntaxTree tree = parse_syntax(source, diagnostics);
    CAPTURE(text);
    CHECK(print(tree, source) == text);
    std::size_t at = 0;
    for (const SyntaxNode& node : tree.nodes) {
        REQUIRE(node.span.begin == at);
        std::size_t token_at = at;
        for (const Token& token : node.tokens) {
            REQUIRE(token.span.begin == token_at);
            REQUIRE(token.span.end > token.span.begin);
            token_at = token.span.end;
        }
        REQUIRE(token_at == node.span.end);
        at = node.span.end;
    }
    CHECK(at == text.size());
    for (const Diagnostic& diagnostic : diagnostics) {
        CHECK(diagnostic.span.end <= text.size());
        CHECK(diagnostic.span.begin <= diagnostic.span.end);
    }
}

}  // namespace

TEST_CASE("a line that ends in the escape character goes on in the next") {
    CHECK(joined("RUN a \\\nb\n") == List{"RUN a b"});
    CHECK(joined("RUN a\\\n  b\n") == List{"RUN a  b"});
    CHECK(joined("RUN a \\  \t\nb\n") == List{"RUN a b"});
    CHECK(joined("RUN a \\\r\nb\r\n") == List{"RUN a b"});
    CHECK(joined("RUN a \\\\\nRUN b\n") == List{"RUN a \\\\", "RUN b"});
    CHECK(joined("RUN a \\\\\\\nRUN b\n") == List{"RUN a \\\\\\", "RUN b"});
    CHECK(joined("RUN a \\") == List{"RUN a"});
    CHECK(joined("RUN a \\\n") == List{"RUN a"});
    CHECK(joined("RUN \\\n\\\nb\n") == List{"RUN b"});
    CHECK(joined("\\\nRUN b\n") == List{"RUN b"});
    CHECK(joined("RU\\\nN b\n") == List{"RUN b"});
    CHECK(joined("  RUN a\n") == List{"RUN a"});
    CHECK(joined("RUN a  \t\n") == List{"RUN a"});
    CHECK(joined("RUN a `\nb\n") == List{"RUN a `", "b"});
    CHECK(joined("# escape=`\nRUN a `\nb\nRUN c \\\n") == List{"RUN a b", "RUN c \\"});
}

TEST_CASE("comments and blank lines inside a continuation vanish without ending it") {
    CHECK(joined("RUN a \\\n# no\n  # neither\nb\n") == List{"RUN a b"});
    CHECK(joined("RUN a \\\n\n   \nb\n") == List{"RUN a b"});
    CHECK(joined("RUN a \\\n# no \\\nb \\\n\n\nc\nRUN d\n") == List{"RUN a b c", "RUN d"});
    CHECK(joined("RUN a # b\n") == List{"RUN a # b"});
    const Source source("B", "RUN a \\\n\nb\nRUN c\n");
    Diagnostics diagnostics;
    const SyntaxTree tree = parse_syntax(source, diagnostics);
    CHECK(tree.nodes[0].instruction->empty_continuation == Span{8, 8});
    CHECK_FALSE(tree.nodes[1].instruction->empty_continuation);
}

TEST_CASE("directives stand at the top, once each, until something else comes") {
    const auto tree_of = [](const std::string& text) {
        Diagnostics diagnostics;
        return parse_syntax(Source("B", text), diagnostics);
    };
    CHECK(tree_of("# escape=`\n").escape == '`');
    CHECK(tree_of("#escape = `  \n").escape == '`');
    CHECK(tree_of("  # ESCAPE=`\n").escape == '`');
    CHECK(tree_of("\xEF\xBB\xBF# escape=`\n").escape == '`');
    CHECK(tree_of("# syntax=x y\r\n# escape=`\r\n").escape == '`');
    CHECK(tree_of("# syntax=x y\r\n").nodes[0].directive->value == "x y");
    CHECK(tree_of("\n# escape=`\n").escape == '\\');
    CHECK(tree_of("# a comment\n# escape=`\n").escape == '\\');
    CHECK(tree_of("# foo=bar\n# escape=`\n").escape == '\\');
    CHECK(tree_of("FROM x\n# escape=`\n").escape == '\\');
    CHECK(tree_of("# escape=\n# escape=`\n").escape == '\\');
    CHECK(problems("# escape=x\n") == List{"1: invalid escape token 'x' does not match ` or \\"});
    CHECK(problems("# escape=`\n# escape=`\n") == List{"2: only one escape parser directive can be used"});
    CHECK(problems("# syntax=a\n# check=skip=all\n# syntax=b\n") ==
          List{"3: only one syntax parser directive can be used"});
}

TEST_CASE("comments above an instruction belong to it until an empty one") {
    const auto comments = [](const std::string& text) {
        const Source source("B", text);
        Diagnostics diagnostics;
        List out;
        for (const SyntaxNode& node : parse_syntax(source, diagnostics).nodes) {
            if (!node.instruction) continue;
            for (const Span span : node.instruction->comments) out.emplace_back(source.slice(span));
        }
        return out;
    };
    CHECK(comments("# a\n# b\nRUN x\n") == List{"# a", "# b"});
    CHECK(comments("# a\n\nRUN x\n") == List{"# a"});
    CHECK(comments("# a\n#\n# b\nRUN x\n") == List{"# b"});
    CHECK(comments("# a\nRUN x\nRUN y\n") == List{"# a"});
    CHECK(comments("# syntax=x\n# a\nRUN x\n") == List{"# a"});
}

TEST_CASE("heredoc bodies follow their line, byte for byte") {
    CHECK(bodies("RUN <<EOF\na\nb\nEOF\n") == List{"a\nb\n"});
    CHECK(bodies("RUN <<EOF\r\na\r\nEOF\r\n") == List{"a\r\n"});
    CHECK(bodies("RUN <<EOF\nEOF\n") == List{""});
    CHECK(bodies("RUN <<EOF\na\nEOF") == List{"a\n"});
    CHECK(bodies("RUN <<-EOF\n\ta\n\tEOF\n") == List{"\ta\n"});
    CHECK(bodies("RUN <<EOF\n\tEOF\nEOF\n") == List{"\tEOF\n"});
    CHECK(bodies("RUN <<EOF\n EOF\nEOF \nEOF\n") == List{" EOF\nEOF \n"});
    CHECK(bodies("RUN <<A <<B\na\nA\nb\nB\n") == List{"a\n", "b\n"});
    CHECK(bodies("RUN <<A <<B\nB\nA\nA\nB\n") == List{"B\n", "A\n"});
    CHECK(bodies("RUN <<EOF\n# c\n\nx \\\ny\nEOF\n") == List{"# c\n\nx \\\ny\n"});
    CHECK(bodies("COPY <<f.txt /x\na\nf.txt\n") == List{"a\n"});
    CHECK(bodies("add <<f /x\na\nf\n") == List{"a\n"});
    CHECK(bodies("ONBUILD RUN <<EOF\na\nEOF\n") == List{"a\n"});
    CHECK(bodies("RUN --mount=type=tmpfs,target=/x <<EOF\na\nEOF\n") == List{"a\n"});
    CHECK(bodies("RUN cat \\\n <<EOF\na\nEOF\n") == List{"a\n"});
    CHECK(bodies("RUN [\"<<EOF\"]\n") == List{});
    CHECK(bodies("RUN [\"a\", \"<<EOF\"]\nEOF\n") == List{});
    CHECK(bodies("CMD <<EOF\n") == List{});
    CHECK(bodies("ENV a=<<EOF\n") == List{});
    CHECK(joined("RUN <<EOF\nRUN no\nEOF\nRUN yes\n") == List{"RUN <<EOF", "RUN yes"});
}

TEST_CASE("a heredoc that never ends is reported once, at its word") {
    CHECK(problems("RUN <<EOF\na\n") == List{"1: unterminated heredoc"});
    CHECK(problems("\nRUN <<A <<B\na\nA\nb\n") == List{"2: unterminated heredoc"});
    CHECK(problems("RUN <<A <<B\na\n") == List{"1: unterminated heredoc"});
    const Source source("B", "RUN echo $((1 << 2))\n");
    Diagnostics diagnostics;
    parse_syntax(source, diagnostics);
    CHECK(diagnostics[0].hint ==
          "\"<< word\" begins a heredoc; a shift in shell arithmetic is written without blanks: 1<<2");
}

TEST_CASE("a line beyond the limit is reported where it stands, in a heredoc too") {
    const std::string longest(65535, 'x');
    CHECK(problems("FROM a\nRUN " + longest.substr(4) + "\n") == List{});
    CHECK(problems("FROM a\nRUN " + longest + "\n") ==
          List{"2: dockerfile line greater than max allowed size of 65535"});
    CHECK(problems("RUN <<E\n" + longest + "x\nE\n") ==
          List{"2: dockerfile line greater than max allowed size of 65535"});
}

TEST_CASE("an instruction's span goes from its keyword to its last byte") {
    const std::string text = "# c\n  RUN a \\\n  b  \nRUN <<E\nx\nE\n";
    const Source source("B", text);
    Diagnostics diagnostics;
    const SyntaxTree tree = parse_syntax(source, diagnostics);
    CHECK(source.slice(tree.nodes[1].instruction->span) == "RUN a \\\n  b");
    CHECK(source.slice(tree.nodes[2].instruction->span) == "RUN <<E\nx\nE");
}

TEST_CASE("a detached instruction takes its heredocs from the lines behind it") {
    Diagnostics diagnostics;
    const InstructionSyntax syntax = parse_detached_instruction("COPY <<A <<B /x\na\nA\nb\nB", {3, 8}, diagnostics);
    CHECK(diagnostics.empty());
    REQUIRE(syntax.heredocs.size() == 2);
    CHECK(syntax.heredocs[0].body == "a\n");
    CHECK(syntax.heredocs[1].body == "b\n");
    CHECK(syntax.line.text() == "COPY <<A <<B /x");
    CHECK(syntax.line.span(0, 4) == Span{3, 8});
    parse_detached_instruction("COPY <<A /x\na", {3, 8}, diagnostics);
    REQUIRE(diagnostics.size() == 1);
    CHECK(diagnostics[0].span == Span{3, 8});
}

TEST_CASE("the tree gives back every byte") {
    for (const char* text : {"",
                             "\n",
                             "\r\n",
                             " ",
                             "#",
                             "# escape=`\r\n\r\nFROM x\r\n",
                             "\xEF\xBB\xBF",
                             "\xEF\xBB\xBF# syntax=x\nFROM a",
                             "\\",
                             "\\\n",
                             "\\\n\\",
                             "RUN a \\\n # c\n\n  b  \\  \n",
                             "RUN <<A <<-B\nx\nA\n\ty\n\tB\nRUN z",
                             "RUN <<A\nopen",
                             "\tRUN\ta\t\n\t\n",
                             "RUN a\\\\\\\n\\\n",
                             "a\0b\n",
                             "\xFF\xFE\n",
                             "ONBUILD COPY <<E /x\nE",
                             "RU\\\nN <<E\nE\n"}) {
        check_lossless(text);
    }
}

TEST_CASE("the tree gives back every byte of any text") {
    const List pieces{"FROM ",
                      "RUN ",
                      "COPY ",
                      "ONBUILD ",
                      "a",
                      "\\",
                      "\\\n",
                      "\n",
                      "\r\n",
                      "# ",
                      "#\n",
                      "escape=`\n",
                      "<<EOF ",
                      "<<-E ",
                      "EOF\n",
                      "E\n",
                      "\t",
                      "  ",
                      "`\n",
                      "\"",
                      "'",
                      "$",
                      "${x",
                      "}",
                      "[\"a\"]",
                      "--f=x ",
                      "\xEF\xBB\xBF",
                      "\xFF",
                      std::string(1, '\0'),
                      "<<",
                      "syntax=x\n",
                      "\v"};
    std::mt19937 random(20260101);
    for (int round = 0; round < 3000; ++round) {
        std::string text;
        const std::size_t length = random() % 30;
        for (std::size_t i = 0; i < length; ++i) text += pieces[random() % pieces.size()];
        check_lossless(text);
    }
}
