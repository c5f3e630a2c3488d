// SPDX-License-Identifier: Apache-2.0
// The documents of images: the input as descriptor, manifest, index and config. What is accepted is written in a form
// that is accepted and written the same again.
#include "base/json.h"
#include "layerstore/image/image.h"
#include "tests/fuzz/fuzz_target.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

/// `parse` reads a document from text; it has encode().
template <class Parse>
void check_document(std::string_view text, Parse&& parse) {
    std::string first;
    if (!fuzz::accepts([&] { first = parse(text).encode(); })) return;
    std::string second;
    fuzz::require(fuzz::accepts([&] { second = parse(first).encode(); }), "what we write, we read");
    fuzz::require(first == second, "a document is written in one way");
}

void check_descriptor(std::string_view text) {
    Descriptor first;
    if (!fuzz::accepts([&] { first = Descriptor::from_json(parse_json(text, "input"), "input"); })) return;
    // Members that we do not know may change places when they are written, once.
    const Json written = first.to_json();
    fuzz::require(Descriptor::from_json(written, "written").to_json().dump() == written.dump(),
                  "a descriptor is written in one way");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text_of(data, size);
    check_descriptor(text);
    check_document(text, [](std::string_view bytes) { return Manifest::parse(bytes, {}, "input"); });
    check_document(text, [](std::string_view bytes) { return Index::parse(bytes, "input"); });
    check_document(text, [](std::string_view bytes) { return ImageConfig::parse(bytes, "input"); });
    return 0;
}
