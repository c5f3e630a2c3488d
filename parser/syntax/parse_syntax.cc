// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "parser/lexer/json_array.h"
#include "parser/source/utf8.h"
#include "parser/syntax/directive.h"
#include "parser/syntax/syntax_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace imgbuild::parser {
namespace {

constexpr std::size_t max_line_bytes = 65535;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// One physical line of an instruction.
struct PhysicalLine {
    enum class Kind { piece, comment, empty };
    Kind kind;
    Span piece;              ///< what it adds to the joined line; empty for others
    std::size_t joined = 0;  ///< where that stands in the joined line
    Span content;            ///< without the line ending
    std::size_t end;         ///< with it
};

/// The offset of the escape character that continues `line`; its size when none does.
std::size_t continuation_of(std::string_view line, char escape) {
    std::size_t end = line.size();
    while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t')) --end;
    const bool continues = end > 0 && line[end - 1] == escape && (end == 1 || line[end - 2] != escape);
    return continues ? end - 1 : line.size();
}

class SyntaxParser {
  public:
    SyntaxParser(const Source& source, Diagnostics& diagnostics) : source_(source), diagnostics_(diagnostics) {}

    SyntaxTree parse() {
        tree_.nodes.reserve(source_.line_count() + 1);  // growing would move every node several times
        if (source_.text().starts_with(byte_order_mark)) {
            at_ = byte_order_mark.size();
            add_node(NodeKind::byte_order_mark, {0, at_}, {{TokenKind::byte_order_mark, {0, at_}}});
        }
        while (at_ < source_.text().size()) line();
        tree_.escape = directives_.escape();
        return std::move(tree_);
    }

  private:
    /// The line at at_, without its ending, and where the next one begins.
    struct Line {
        Span content;
        std::size_t end;
    };

    Line next_line();
    void line();
    void comment(Line line, std::size_t begin);
    void instruction(Line first, std::size_t begin);
    void read_continuations(char escape, std::vector<PhysicalLine>& lines, InstructionSyntax& syntax);
    void read_heredocs(InstructionSyntax& syntax, SyntaxNode& node);
    void read_body(HeredocSyntax& heredoc, const LogicalLine& line, SyntaxNode& node);
    void add_node(NodeKind kind, Span span, std::vector<Token> tokens);

    const Source& source_;
    Diagnostics& diagnostics_;
    DirectiveScanner directives_;
    SyntaxTree tree_;
    std::vector<Span> comments_;  ///< those that the next instruction gets
    std::size_t at_ = 0;
};

void push(std::vector<Token>& tokens, TokenKind kind, std::size_t begin, std::size_t end) {
    if (begin < end) tokens.push_back({kind, {begin, end}});
}

void SyntaxParser::add_node(NodeKind kind, Span span, std::vector<Token> tokens) {
    tree_.nodes.push_back({.kind = kind, .span = span, .tokens = std::move(tokens)});
}

SyntaxParser::Line SyntaxParser::next_line() {
    const std::string& text = source_.text();
    const std::size_t newline = text.find('\n', at_);
    const std::size_t end = newline == std::string::npos ? text.size() : newline + 1;
    std::size_t content_end = end;
    while (content_end > at_ && (text[content_end - 1] == '\n' || text[content_end - 1] == '\r')) --content_end;
    const Line line{{at_, content_end}, end};
    if (line.content.size() > max_line_bytes) {
        diagnostics_.error({line.content.begin, line.content.begin},
                           fmt::format("dockerfile line greater than max allowed size of {}", max_line_bytes),
                           "end the line with the escape character and go on in the next, or use a file and COPY");
    }
    at_ = end;
    return line;
}

void SyntaxParser::line() {
    const Line line = next_line();
    const std::string_view content = source_.slice(line.content);
    std::size_t indent = 0;
    while (indent < content.size() && blank_size(content, indent) > 0) indent += blank_size(content, indent);
    const std::size_t begin = line.content.begin + indent;
    if (indent < content.size() && content[indent] == '#') return comment(line, begin);

    directives_.finish();
    if (indent < content.size()) return instruction(line, begin);
    std::vector<Token> tokens;
    push(tokens, TokenKind::blank, line.content.begin, line.content.end);
    push(tokens, TokenKind::newline, line.content.end, line.end);
    add_node(NodeKind::blank, {line.content.begin, line.end}, std::move(tokens));
}

void SyntaxParser::comment(Line line, std::size_t begin) {
    const std::size_t found_before = diagnostics_.error_count();
    std::optional<DirectiveSyntax> directive = directives_.scan(line.content, source_, diagnostics_);
    const bool refused = diagnostics_.error_count() > found_before;
    std::vector<Token> tokens;
    push(tokens, TokenKind::blank, line.content.begin, begin);
    push(tokens, directive ? TokenKind::directive : TokenKind::comment, begin, line.content.end);
    push(tokens, TokenKind::newline, line.content.end, line.end);
    const bool empty = trim(source_.slice({begin + 1, line.content.end})).empty();
    if (empty) comments_.clear();
    if (!directive && !refused && !empty) comments_.push_back({begin, line.content.end});
    add_node(directive ? NodeKind::directive : NodeKind::comment, {line.content.begin, line.end}, std::move(tokens));
    tree_.nodes.back().directive = std::move(directive);
}

void SyntaxParser::read_continuations(char escape, std::vector<PhysicalLine>& lines, InstructionSyntax& syntax) {
    while (lines.back().kind != PhysicalLine::Kind::piece || lines.back().piece.end < lines.back().content.end) {
        if (at_ >= source_.text().size()) return;
        const Line line = next_line();
        const std::string_view content = source_.slice(line.content);
        std::size_t first = 0;
        while (first < content.size() && blank_size(content, first) > 0) first += blank_size(content, first);
        PhysicalLine physical{.kind = PhysicalLine::Kind::piece, .piece = {}, .content = line.content, .end = line.end};
        if (first == content.size()) {
            physical.kind = PhysicalLine::Kind::empty;
            if (!syntax.empty_continuation) syntax.empty_continuation = line.content;
        } else if (content[first] == '#') {
            physical.kind = PhysicalLine::Kind::comment;
        } else {
            physical.piece = {line.content.begin, line.content.begin + continuation_of(content, escape)};
            physical.joined = syntax.line.text().size();
            syntax.line.append(source_.slice(physical.piece), physical.piece.begin);
        }
        lines.push_back(physical);
    }
}

/// The tokens of a line that is part of the joined line.
void push_piece(std::vector<Token>& tokens, const PhysicalLine& line, const InstructionParts& parts,
                std::size_t text_end, std::size_t rest_begin) {
    constexpr std::array kinds{TokenKind::blank, TokenKind::keyword, TokenKind::blank, TokenKind::text,
                               TokenKind::blank};
    const std::array ends{parts.keyword.begin, parts.keyword.end, rest_begin, text_end, std::string::npos};
    std::size_t at = line.joined;
    const std::size_t piece_end = line.joined + line.piece.size();
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        const std::size_t end = std::clamp(ends[i], at, piece_end);
        push(tokens, kinds[i], line.piece.begin + (at - line.joined), line.piece.begin + (end - line.joined));
        at = end;
    }
    push(tokens, TokenKind::continuation, line.piece.end, line.content.end);
}

void SyntaxParser::instruction(Line first, std::size_t begin) {
    const char escape = directives_.escape();
    InstructionSyntax syntax;
    const std::string_view content = source_.slice({begin, first.content.end});
    const Span piece{begin, begin + continuation_of(content, escape)};
    syntax.line.append(source_.slice(piece), piece.begin);
    std::vector<PhysicalLine> lines{{PhysicalLine::Kind::piece, piece, 0, {begin, first.content.end}, first.end}};
    read_continuations(escape, lines, syntax);

    const std::string& joined = syntax.line.text();
    const std::size_t text_end = end_without_blanks(joined);
    syntax.line.truncate(text_end);
    syntax.parts = cut_instruction(joined, 0, escape);
    syntax.comments = std::move(comments_);
    comments_.clear();
    syntax.span = syntax.line.span(syntax.parts.keyword.begin, text_end);

    SyntaxNode node{.kind = NodeKind::instruction, .span = {first.content.begin, at_}};
    push(node.tokens, TokenKind::blank, first.content.begin, begin);
    const std::size_t rest_begin = skip_separators(joined, syntax.parts.keyword.end);
    for (const PhysicalLine& line : lines) {
        if (line.kind == PhysicalLine::Kind::piece) {
            push_piece(node.tokens, line, syntax.parts, text_end, rest_begin);
        } else {
            push(node.tokens, line.kind == PhysicalLine::Kind::comment ? TokenKind::comment : TokenKind::blank,
                 line.content.begin, line.content.end);
        }
        push(node.tokens, TokenKind::newline, line.content.end, line.end);
    }
    read_heredocs(syntax, node);
    node.span.end = at_;
    node.instruction = std::move(syntax);
    tree_.nodes.push_back(std::move(node));
}

/// The parts of the instruction that carries the arguments: for ONBUILD, the one inside it.
InstructionParts innermost(const std::string& text, const InstructionParts& parts, char escape) {
    if (to_lower(parts.keyword.of(text)) != "onbuild") return parts;
    return cut_instruction(text, parts.arguments, escape);
}

/// The heredocs that an instruction announces: RUN, COPY and ADD may, in their shell form.
std::vector<HeredocSyntax> announced_heredocs(const std::string& text, const InstructionParts& outer, char escape) {
    std::vector<HeredocSyntax> heredocs;
    if (text.find("<<") == std::string::npos) return heredocs;
    const InstructionParts parts = innermost(text, outer, escape);
    const std::string keyword = to_lower(parts.keyword.of(text));
    if (keyword != "run" && keyword != "copy" && keyword != "add") return heredocs;
    if (read_json_array(text, parts.arguments).kind != JsonArray::Kind::no_array) return heredocs;
    for (HeredocWord& word : scan_heredocs(text, parts.arguments))
        heredocs.push_back({.word = std::move(word), .body = {}, .body_span = {}});
    return heredocs;
}

/// True if `line`, which may have its line ending, ends the heredoc.
bool ends_heredoc(std::string_view line, const HeredocWord& heredoc) {
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    if (heredoc.strip_tabs) line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
    return line == heredoc.name;
}

Diagnostic unterminated(const HeredocWord& heredoc, Span span) {
    return make_error(span, "unterminated heredoc",
                      heredoc.blank_before_name
                          ? "\"<< word\" begins a heredoc; a shift in shell arithmetic is written without blanks: 1<<2"
                          : fmt::format("end it with a line that is just {}", heredoc.name));
}

void SyntaxParser::read_body(HeredocSyntax& heredoc, const LogicalLine& line, SyntaxNode& node) {
    const std::size_t begin = at_;
    while (at_ < source_.text().size()) {
        const Line next = next_line();
        if (!ends_heredoc(source_.slice({next.content.begin, next.end}), heredoc.word)) continue;
        heredoc.body_span = {begin, next.content.begin};
        heredoc.body = source_.slice(heredoc.body_span);
        push(node.tokens, TokenKind::heredoc_body, begin, next.content.begin);
        push(node.tokens, TokenKind::heredoc_end, next.content.begin, next.content.end);
        push(node.tokens, TokenKind::newline, next.content.end, next.end);
        node.span.end = next.content.end;
        return;
    }
    heredoc.body_span = {begin, at_};
    heredoc.body = source_.slice(heredoc.body_span);
    heredoc.terminated = false;
    push(node.tokens, TokenKind::heredoc_body, begin, at_);
    diagnostics_.add(unterminated(heredoc.word, line.span(heredoc.word.range.begin, heredoc.word.range.end)));
}

void SyntaxParser::read_heredocs(InstructionSyntax& syntax, SyntaxNode& node) {
    syntax.heredocs = announced_heredocs(syntax.line.text(), syntax.parts, directives_.escape());
    for (HeredocSyntax& heredoc : syntax.heredocs) {
        read_body(heredoc, syntax.line, node);
        syntax.span.end = heredoc.terminated ? node.span.end : heredoc.body_span.end;
        if (!heredoc.terminated) return;  // one message is enough: the rest of the file is gone
    }
}

}  // namespace

InstructionParts cut_instruction(std::string_view text, std::size_t begin, char escape) {
    InstructionParts parts;
    parts.keyword.begin = begin;
    while (parts.keyword.begin < text.size() && blank_size(text, parts.keyword.begin) > 0)
        parts.keyword.begin += blank_size(text, parts.keyword.begin);
    parts.keyword.end = parts.keyword.begin;
    while (parts.keyword.end < text.size() && !is_separator(text[parts.keyword.end])) ++parts.keyword.end;
    ScannedFlags flags = scan_flags(text, parts.keyword.end, escape);
    parts.flags = std::move(flags.flags);
    parts.arguments = flags.end;
    return parts;
}

SyntaxTree parse_syntax(const Source& source, Diagnostics& diagnostics) {
    return SyntaxParser(source, diagnostics).parse();
}

InstructionSyntax parse_detached_instruction(std::string_view text, Span span, Diagnostics& diagnostics) {
    const std::size_t line_end = std::min(text.find('\n'), text.size());
    InstructionSyntax syntax;
    syntax.line = LogicalLine(std::string(trim(text.substr(0, line_end))), span);
    syntax.span = span;
    syntax.parts = cut_instruction(syntax.line.text(), 0, '\\');
    syntax.heredocs = announced_heredocs(syntax.line.text(), syntax.parts, '\\');
    std::size_t at = std::min(line_end + 1, text.size());
    for (HeredocSyntax& heredoc : syntax.heredocs) {
        heredoc.body_span = span;
        heredoc.terminated = false;
        while (at < text.size() && !heredoc.terminated) {
            const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
            const std::string_view line = text.substr(at, end - at);
            heredoc.terminated = ends_heredoc(line, heredoc.word);
            if (!heredoc.terminated) heredoc.body += line;
            at = end;
        }
        if (!heredoc.terminated) diagnostics.add(unterminated(heredoc.word, span));
    }
    return syntax;
}

std::string print(const SyntaxTree& tree, const Source& source) {
    std::string out;
    out.reserve(source.text().size());
    for (const SyntaxNode& node : tree.nodes) {
        for (const Token& token : node.tokens) out += source.slice(token.span);
    }
    return out;
}

}  // namespace imgbuild::parser
