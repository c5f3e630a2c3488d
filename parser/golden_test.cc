// SPDX-License-Identifier: Apache-2.0
// Compares what the parser makes of the files in golden/ with what stands beside them:
//
//   expansion.txt     text and environment → expansion; its head says how to read it
//   patterns.txt      patterns × paths → match or not
//   trees/NAME        a Buildfile; NAME.tree is its syntax tree and what was understood
//   diagnostics/NAME  a Buildfile; NAME.said is what is said about it, errors and checks
//
// usage: parser_golden FOLDER
// IMGBUILD_ACCEPT=1 rewrites *.tree and *.said and ends with status 77, which the test runner counts as skipped. The
// tables are written by hand and never rewritten.
#include "base/json.h"
#include "base/text.h"
#include "parser/buildfile/buildfile.h"
#include "parser/buildfile/checks.h"
#include "parser/buildfile/to_json.h"
#include "parser/ignore/ignore_rules.h"
#include "parser/lexer/word.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace imgbuild;
using namespace imgbuild::parser;

namespace {

struct Count {
    std::size_t passed = 0;
    std::size_t failed = 0;
};

std::string read_text(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void judge(Count& count, const std::string& where, const std::string& wanted, const std::string& got) {
    if (wanted == got) {
        ++count.passed;
        return;
    }
    ++count.failed;
    std::printf("%s\n  wanted: %s\n  got:    %s\n", where.c_str(), wanted.c_str(), got.c_str());
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
    return text;
}

/// The pictures of control characters as the characters that they stand for.
std::string from_pictures(std::string_view text) {
    std::string out = replaced(std::string(text), "∅", "");
    return replaced(replaced(replaced(out, "␊", "\n"), "␉", "\t"), "␠", " ");
}

/// "name=value", "name=" or "name" (declared only), with blanks between.
Environment read_environment(std::string_view text) {
    Environment environment;
    for (const std::string_view entry : split(text, ' ')) {
        const std::size_t equals = entry.find('=');
        if (equals == std::string_view::npos) {
            environment.declare(entry);
        } else {
            environment.set(entry.substr(0, equals), from_pictures(entry.substr(equals + 1)));
        }
    }
    return environment;
}

std::string expand_row(const Word& word, const Environment& environment, bool splits) {
    const Expansion expansion = splits ? expand_words(word, environment) : expand(word, environment);
    if (!expansion.ok())
        return "! " + replaced(expansion.error->message, "failed to process \"" + word.text + "\": ", "");
    if (!splits) return expansion.text;
    std::string out;
    for (const std::string& one : expansion.words) out += "[" + one + "]";
    return out;
}

void check_expansions(const std::filesystem::path& path, Count& count) {
    const Source table(path.filename(), read_text(path));
    Environment environment;
    Word word;
    bool splits = false;
    for (std::size_t number = 1; number <= table.line_count(); ++number) {
        const std::string_view line = table.line(number);
        const std::size_t arrow = line.find(" => ");
        if (line.empty() || line.starts_with('#')) continue;
        if (line.starts_with("@env ")) {
            environment = read_environment(line.substr(5));
        } else if (line.starts_with("@mode ")) {
            word.style = line.find("heredoc") == std::string_view::npos ? WordStyle::shell : WordStyle::heredoc;
            word.escape = line.find('`') == std::string_view::npos ? '\\' : '`';
            splits = line.find("split") != std::string_view::npos;
        } else if (arrow != std::string_view::npos) {
            word.text = from_pictures(line.substr(0, arrow));
            judge(count, fmt::format("{}:{}: {}", table.name(), number, word.text),
                  from_pictures(line.substr(arrow + 4)), expand_row(word, environment, splits));
        } else {
            judge(count, fmt::format("{}:{}", table.name(), number), "a row", std::string(line));
        }
    }
}

/// Rows of one pattern, or of the rules of one ignore file joined by " ; ".
void check_patterns(const std::filesystem::path& path, Count& count) {
    const Source table(path.filename(), read_text(path));
    std::string subject;
    for (std::size_t number = 1; number <= table.line_count(); ++number) {
        const std::string line = from_pictures(table.line(number));
        if (line.empty() || line.starts_with('#')) continue;
        if (!line.starts_with(' ')) {
            subject = line;
            continue;
        }
        const std::string_view row = trim(line);
        const std::string_view wanted = row.substr(0, 1);
        const std::string_view path_text = row.substr(2);
        const std::size_t kind_end = subject.find(' ');
        const std::string kind = subject.substr(0, kind_end);
        const std::string pattern = subject.substr(kind_end + 1);
        bool matches = false;
        if (kind == "rules") {
            Diagnostics diagnostics;
            const Source rules("rules", replaced(pattern, " ; ", "\n"));
            matches = IgnoreRules::parse(rules, diagnostics).match(path_text).ignored;
            if (diagnostics.has_errors()) matches = wanted == "-";  // makes the row fail
        } else {
            std::string problem;
            const auto dialect = kind == "glob" ? PatternDialect::glob : PatternDialect::ignore;
            const auto compiled = PathPattern::compile(pattern, dialect, problem);
            matches = compiled && compiled->matches(path_text);
        }
        judge(count, fmt::format("{}:{}: {} on {}", table.name(), number, subject, path_text), std::string(wanted),
              matches ? "+" : "-");
    }
}

std::string place(Span span, const Source& source) {
    const Position begin = source.position(span.begin);
    const Position end = source.position(span.end);
    return fmt::format("{}:{}-{}:{}", begin.line, begin.column, end.line, end.column);
}

void remove_ranges(Json& value) {
    if (value.is_object()) value.erase("range");
    for (Json& below : value) {
        if (below.is_structured()) remove_ranges(below);
    }
}

/// The nodes with their tokens, a line each, then each instruction as it was understood.
std::string describe_tree(const Source& source) {
    const ParseResult result = parse_buildfile(source);
    Json json = to_json(result, source);
    std::string out;
    for (std::size_t i = 0; i < result.tree.nodes.size(); ++i) {
        const Json& node = json["tree"][i];
        out += fmt::format("{} {}:", place(result.tree.nodes[i].span, source), node["kind"].get<std::string>());
        for (const Json& token : node["tokens"]) {
            out += fmt::format(" {}", token["kind"].get<std::string>());
            if (token["kind"] != "newline") out += token["text"].dump();
        }
        out += '\n';
    }
    out += "\ndirectives " + json["directives"].dump() + '\n';
    for (Json& argument : json["globalArguments"]) {
        remove_ranges(argument);
        out += "global " + argument.dump() + '\n';
    }
    for (Json& stage : json["stages"]) {
        remove_ranges(stage);
        out += fmt::format("stage {} {}\n", stage["index"].dump(), stage["from"].dump());
        for (const Json& instruction : stage["instructions"]) out += "    " + instruction.dump() + '\n';
    }
    return result.ok() ? out : out + "\n" + result.diagnostics.render(source);
}

/// Errors as they are shown, then the checks.
std::string describe_diagnostics(const Source& source, const std::filesystem::path& path) {
    const ParseResult result = parse_buildfile(source);
    std::string out = result.diagnostics.render(source);
    Diagnostics wrong_options;
    CheckOptions options;
    if (const auto& check = result.buildfile.directives.check)
        options = parse_check_options(check->value, check->span, wrong_options);
    const Environment base{{"PATH", "/bin"}, {"BASE_NAME", "base"}};
    IgnoreRules ignore;
    CheckContext context;
    context.base_environment = [&](const Stage&) { return &base; };
    context.is_image_reference = [](std::string_view name) { return !name.ends_with(':') && !name.ends_with('/'); };
    std::filesystem::path ignore_path = path;
    ignore_path += ".ignore";
    if (std::filesystem::exists(ignore_path)) {
        ignore = IgnoreRules::parse(Source(".dockerignore", read_text(ignore_path)), wrong_options);
        context.ignore = &ignore;
    }
    const Diagnostics warnings = check_buildfile(result.buildfile, options, context);
    if (!wrong_options.empty()) out += (out.empty() ? "" : "\n") + wrong_options.render(source);
    if (!warnings.empty()) out += (out.empty() ? "" : "\n") + warnings.render(source);
    if (options.error) out += (out.empty() ? "error=true: " : "\nerror=true: ") + violation_summary(warnings) + "\n";
    return out.empty() ? "nothing is said\n" : out;
}

template <class Describe>
void check_folder(const std::filesystem::path& folder, const char* extension, bool accept, Count& count,
                  Describe&& describe) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (!entry.path().has_extension()) files.push_back(entry.path());
    }
    std::ranges::sort(files);
    for (const std::filesystem::path& file : files) {
        const Source source("Buildfile", read_text(file));
        const std::string got = describe(source, file);
        std::filesystem::path beside = file;
        beside += extension;
        if (accept) {
            std::ofstream(beside, std::ios::binary) << got;
            continue;
        }
        judge(count, beside.string(), read_text(beside), got);
        Diagnostics ignored;
        judge(count, file.string() + " printed back", source.text(), print(parse_syntax(source, ignored), source));
    }
}

}  // namespace

int main(int argument_count, char** arguments) {
    if (argument_count != 2) {
        std::fputs("usage: parser_golden FOLDER\n", stderr);
        return 2;
    }
    const std::filesystem::path folder = arguments[1];
    const bool accept = std::getenv("IMGBUILD_ACCEPT") != nullptr;
    Count count;
    check_expansions(folder / "expansion.txt", count);
    check_patterns(folder / "patterns.txt", count);
    check_folder(folder / "trees", ".tree", accept, count,
                 [](const Source& source, const auto&) { return describe_tree(source); });
    check_folder(folder / "diagnostics", ".said", accept, count, describe_diagnostics);
    std::printf("%zu passed, %zu failed%s\n", count.passed, count.failed, accept ? ", accepted" : "");
    if (accept) return 77;
    return count.failed == 0 && count.passed > 0 ? 0 : 1;
}
