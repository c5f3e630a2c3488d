// SPDX-License-Identifier: Apache-2.0
#pragma once

// The JSON form of arguments: `["a", "b"]`. Text that is no complete JSON array is not an error but the shell
// form, so this reader decides between the two and gives places to the strings.

#include "parser/lexer/scan.h"

#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::parser {

struct JsonArray {
    enum class Kind {
        no_array,  ///< no JSON array, or something behind it
        of_strings,
        of_others,  ///< an array that holds something else too
    };
    Kind kind = Kind::no_array;
    std::vector<std::string> values;
    std::vector<TextRange> ranges;  ///< of each value's literal, quotes included
};

/// Reads `text` from `begin` to its end.
JsonArray read_json_array(std::string_view text, std::size_t begin);

}  // namespace imgbuild::parser
