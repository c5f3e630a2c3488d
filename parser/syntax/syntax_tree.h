// SPDX-License-Identifier: Apache-2.0
#pragma once

// The lossless tree of a Buildfile: which bytes are comments, keywords, arguments, heredoc bodies. It knows
// how lines are put together and no instruction's meaning.
//
// Invariants, for any input: the nodes tile the text in order, the tokens of a node tile the node, so that
// print() gives back every byte.

#include "parser/lexer/logical_line.h"
#include "parser/source/diagnostic.h"
#include "parser/source/source.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace imgbuild::parser {

enum class TokenKind {
    byte_order_mark,
    blank,         ///< blanks at the ends of lines and around the keyword
    newline,       ///< "\n" or "\r\n"
    comment,       ///< from '#' to the end of the line
    directive,     ///< as a comment, but it was understood as `# name=value`
    keyword,       ///< the instruction's first word
    text,          ///< a piece of the instruction's rest, up to the end of its line
    continuation,  ///< the escape character that joins the next line, and the blanks behind it
    heredoc_body,
    heredoc_end,   ///< the line that ends a heredoc, without its newline
};

struct Token {
    TokenKind kind;
    Span span;
    friend bool operator==(const Token&, const Token&) = default;
};

enum class NodeKind { byte_order_mark, blank, comment, directive, instruction };

/// `# name=value` at the top of the file.
struct DirectiveSyntax {
    std::string name;  ///< lower-case: "syntax", "escape" or "check"
    std::string value;
    Span value_span;
};

/// A heredoc of an instruction, in the order of the words that announce them.
struct HeredocSyntax {
    std::string word;  ///< as written: `3<<-"EOF"`
    Span word_span;
    std::string name;            ///< without quotes
    std::optional<int> descriptor;  ///< the digits before `<<`
    bool strip_tabs = false;     ///< `<<-`
    bool expand = true;          ///< no part of the name was quoted
    bool terminated = true;
    std::string body;            ///< raw, with line endings, without the ending line
    Span body_span;
};

/// `--name` or `--name=value` before the arguments.
struct FlagSyntax {
    std::string name;                  ///< without the dashes
    std::optional<std::string> value;  ///< quotes and escapes of the flag's level removed
    Span span;
    Span value_span;
};

struct InstructionSyntax {
    std::string keyword;  ///< as written
    Span keyword_span;
    LogicalLine line;            ///< the joined line, keyword included, heredoc bodies not
    std::size_t rest_begin = 0;  ///< where in `line` the text behind the keyword begins
    std::vector<HeredocSyntax> heredocs;
    std::vector<Span> comments;           ///< the comment lines above, from '#', that belong to it
    std::optional<Span> empty_continuation;  ///< the first blank line inside the continuation
};

struct SyntaxNode {
    NodeKind kind = NodeKind::blank;
    Span span;
    std::vector<Token> tokens;
    std::optional<DirectiveSyntax> directive;      ///< of a directive
    std::optional<InstructionSyntax> instruction;  ///< of an instruction
};

struct SyntaxTree {
    std::vector<SyntaxNode> nodes;
    char escape = '\\';
};

/// Cuts a text into a tree. Always gives a tree; faults of lines, directives and heredocs go to `diagnostics`.
SyntaxTree parse_syntax(const Source& source, Diagnostics& diagnostics);

/// The text of the tree, token by token: equal to source.text().
std::string print(const SyntaxTree& tree, const Source& source);

}  // namespace imgbuild::parser
