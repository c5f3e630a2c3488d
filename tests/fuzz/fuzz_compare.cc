// SPDX-License-Identifier: Apache-2.0
// Two versions of a file: a line with its path, the first version's size as four bytes, both versions. Nothing is
// thrown; versions that differ have a finding, equal ones none; and what is said is short and printable.
#include "builder/compare/file_comparison.h"
#include "tests/fuzz/fuzz_target.h"

using namespace imgbuild;
using namespace imgbuild::builder;

namespace {

void require_printable(const std::string& text) {
    fuzz::require(text.size() <= 16 * max_value_bytes, "what is said is short");
    for (const char c : text)
        fuzz::require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F, "what is said is one printable line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest = fuzz::text_of(data, size);
    const std::string_view path = fuzz::take_until(rest, '\n');
    if (rest.size() < 4) return 0;
    std::size_t first = 0;
    for (int i = 3; i >= 0; --i) first = first << 8 | static_cast<unsigned char>(rest[i]);
    rest.remove_prefix(4);
    const std::string_view before = rest.substr(0, first);
    const std::string_view after = rest.substr(before.size());
    FileFindings found;
    fuzz::require(fuzz::accepts([&] { found = compare_file_bytes(path, before, after); }), "no file is refused");
    fuzz::require(found.list.empty() == (before == after), "a difference is said, and nothing else");
    fuzz::require(found.list.size() <= max_findings, "findings are bounded");
    for (const Finding& finding : found.list) {
        require_printable(finding.where);
        require_printable(finding.before);
        require_printable(finding.after);
    }
    return 0;
}
