// SPDX-License-Identifier: Apache-2.0
#include "builder/attest/sbom.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace imgbuild::builder {
namespace {

constexpr std::string_view statement_types = "https://in-toto.io/Statement/";
constexpr std::string_view spdx_type = "https://spdx.dev/Document";

}  // namespace

Statement make_sbom(std::string_view report, const std::vector<Subject>& subjects, const std::string& what) {
    const Json document = parse_json(report, what);
    const auto refuse = [&](const std::string& why) {
        throw Error(ErrorKind::invalid_input, fmt::format("{}: {}", what, why));
    };
    if (!document.is_object() || !required_string(document, "_type", what).starts_with(statement_types))
        refuse("no in-toto statement");
    if (const std::string type = required_string(document, "predicateType", what); type != spdx_type)
        refuse(fmt::format("predicateType: \"{}\" and not \"{}\"", printable(type), spdx_type));
    const Json* predicate = optional_object(document, "predicate", what);
    if (!predicate) refuse("has no predicate");
    return make_statement(spdx_type, subjects, *predicate);
}

}  // namespace imgbuild::builder
