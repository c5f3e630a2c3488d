// SPDX-License-Identifier: Apache-2.0
#pragma once

// The lossless tree of a Buildfile: which bytes are comments, keywords, arguments, heredoc bodies. It knows
// how lines are put together and no instruction's meaning.
//
// Invariants, for any input: the nodes tile the text in order, the tokens of a node tile the node, so that
// print() gives back every byte.

#include "parser/lexer/logical_line.h"
#include "parser/lexer/scan.h"
#include "parser/source/diagnostic.h"
#include "parser/source/source.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
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
    heredoc_end,  ///< the line that ends a heredoc, without its newline
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
    HeredocWord word;  ///< its range is one of the joined line
    std::string body;  ///< raw, with line endings, without the ending line
    Span body_span;
    bool terminated = true;
};

/// How an instruction's joined line falls into its parts; all offsets are of that line.
struct InstructionParts {
    TextRange keyword;
    std::vector<ScannedFlag> flags;
    std::size_t arguments = 0;  ///< where they begin; they go to the end of the line
};

/// Cuts the text from `begin` on.
InstructionParts cut_instruction(std::string_view text, std::size_t begin, char escape);

struct InstructionSyntax {
    LogicalLine line;  ///< joined, without blanks at the end; heredoc bodies are not in it
    InstructionParts parts;
    std::vector<HeredocSyntax> heredocs;
    std::vector<Span> comments;              ///< the comment lines above, from '#', that belong to it
    std::optional<Span> empty_continuation;  ///< the first blank line inside the continuation
    Span span;                               ///< from the keyword to the last byte that is no line ending
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

/// The syntax of an instruction that stands in no file, for example of an image's ONBUILD trigger: the first
/// line is the instruction, heredoc bodies may follow. Everything is placed at `span`.
InstructionSyntax parse_detached_instruction(std::string_view text, Span span, Diagnostics& diagnostics);

/// The text of the tree, token by token: equal to source.text().
std::string print(const SyntaxTree& tree, const Source& source);

}  // namespace imgbuild::parser
