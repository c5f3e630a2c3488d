// SPDX-License-Identifier: Apache-2.0
#include "parser/buildfile/to_json.h"

#include "base/json.h"
#include "parser/buildfile/detail/instruction_json.h"
#include "parser/source/utf8.h"

namespace imgbuild::parser {

namespace detail {

std::string json_text(std::string_view text) {
    std::u32string characters = decode_utf8(text);
    for (char32_t& character : characters) {
        if (character > 0x10FFFF) character = 0xFFFD;
    }
    return encode_utf8(characters);
}

Json json_range(Span span, const Source& source) {
    const Position begin = source.position(span.begin);
    const Position end = source.position(span.end);
    return {{"begin", {{"offset", span.begin}, {"line", begin.line}, {"column", begin.column}}},
            {"end", {{"offset", span.end}, {"line", end.line}, {"column", end.column}}}};
}

}  // namespace detail

namespace {

std::string_view name_of(NodeKind kind) {
    switch (kind) {
        case NodeKind::byte_order_mark: return "byte-order-mark";
        case NodeKind::blank: return "blank";
        case NodeKind::comment: return "comment";
        case NodeKind::directive: return "directive";
        case NodeKind::instruction: return "instruction";
    }
    return {};
}

std::string_view name_of(TokenKind kind) {
    switch (kind) {
        case TokenKind::byte_order_mark: return "byte-order-mark";
        case TokenKind::blank: return "blank";
        case TokenKind::newline: return "newline";
        case TokenKind::comment: return "comment";
        case TokenKind::directive: return "directive";
        case TokenKind::keyword: return "keyword";
        case TokenKind::text: return "text";
        case TokenKind::continuation: return "continuation";
        case TokenKind::heredoc_body: return "heredoc-body";
        case TokenKind::heredoc_end: return "heredoc-end";
    }
    return {};
}

Json directive_json(const std::optional<Directive>& directive) {
    return directive ? Json(detail::json_text(directive->value)) : Json(nullptr);
}

Json stage_json(const Stage& stage, const Source& source) {
    Json out{{"index", stage.index},
             {"name", stage.name() ? Json(*stage.name()) : Json(nullptr)},
             {"range", detail::json_range(stage.span, source)},
             {"from", detail::instruction_json(stage.declaration, source)},
             {"instructions", Json::array()}};
    for (const Instruction& instruction : stage.instructions) {
        out["instructions"].push_back(detail::instruction_json(instruction, source));
    }
    return out;
}

}  // namespace

Json to_json(const Diagnostic& diagnostic, const Source& source) {
    return {{"severity", diagnostic.severity == Severity::error ? "error" : "warning"},
            {"rule", diagnostic.rule},
            {"message", detail::json_text(diagnostic.message)},
            {"hint", detail::json_text(diagnostic.hint)},
            {"url", diagnostic.url},
            {"range", detail::json_range(diagnostic.span, source)}};
}

Json to_json(const SyntaxTree& tree, const Source& source) {
    Json nodes = Json::array();
    for (const SyntaxNode& node : tree.nodes) {
        Json tokens = Json::array();
        for (const Token& token : node.tokens) {
            tokens.push_back({{"kind", name_of(token.kind)}, {"text", detail::json_text(source.slice(token.span))}});
        }
        nodes.push_back({{"kind", name_of(node.kind)},
                         {"range", detail::json_range(node.span, source)},
                         {"tokens", std::move(tokens)}});
    }
    return nodes;
}

Json to_json(const ParseResult& result, const Source& source) {
    const Directives& directives = result.buildfile.directives;
    Json out{{"format", 1},
             {"file", detail::json_text(source.name())},
             {"directives",
              {{"syntax", directive_json(directives.syntax)},
               {"escape", std::string(1, directives.escape)},
               {"check", directive_json(directives.check)}}},
             {"globalArguments", Json::array()},
             {"stages", Json::array()},
             {"diagnostics", Json::array()},
             {"tree", to_json(result.tree, source)}};
    for (const Instruction& argument : result.buildfile.global_args) {
        out["globalArguments"].push_back(detail::instruction_json(argument, source));
    }
    for (const Stage& stage : result.buildfile.stages) out["stages"].push_back(stage_json(stage, source));
    for (const Diagnostic& diagnostic : result.diagnostics) out["diagnostics"].push_back(to_json(diagnostic, source));
    return out;
}

}  // namespace imgbuild::parser
