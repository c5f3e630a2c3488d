// SPDX-License-Identifier: Apache-2.0
// Expansion. The input is a line of options, the word up to a NUL, then NAME=VALUE up to a NUL each.
#include "parser/lexer/word.h"
#include "tests/fuzz/fuzz_target.h"

#include <algorithm>
#include <string>

using namespace imgbuild;
using namespace imgbuild::parser;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest = fuzz::text_of(data, size);
    const std::string_view switches = fuzz::take_until(rest, '\n');
    const auto has = [&](char c) { return switches.find(c) != std::string_view::npos; };
    Word word{.text = std::string(fuzz::take_until(rest, '\0')), .span = {3, 7}};
    if (has('h')) word.style = WordStyle::heredoc;
    if (has('`')) word.escape = '`';

    Environment environment;
    while (!rest.empty()) {
        std::string_view value = fuzz::take_until(rest, '\0');
        const bool is_set = value.find('=') != std::string_view::npos;
        const std::string_view name = fuzz::take_until(value, '=');
        is_set ? environment.set(name, std::string(value)) : environment.declare(name);
    }

    const ExpandOptions options{.keep_unset = has('k'), .max_result_bytes = 64 * 1024};
    const Expansion whole = expand(word, environment, options);
    const Expansion split = expand_words(word, environment, options);
    fuzz::require(whole.ok() == split.ok(), "splitting changes no verdict");
    fuzz::require(whole.text.size() <= options.max_result_bytes || !whole.ok(), "a result stays below its limit");
    fuzz::require(!check_syntax(word) || !whole.ok(), "wrong syntax is wrong in every environment");
    if (whole.ok() && !has_variables(word)) fuzz::require(whole.read.empty(), "a word without a dollar reads nothing");
    if (!whole.ok()) fuzz::require(whole.error->span == word.span, "an error stands at its word");
    for (const std::string& name : whole.undefined)
        fuzz::require(std::ranges::find(whole.read, name) != whole.read.end(), "what is undefined was read");
    return 0;
}
