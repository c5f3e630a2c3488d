// SPDX-License-Identifier: Apache-2.0
// An image reference: what is accepted is read back from both of its spellings.
#include "layerstore/image/reference.h"
#include "tests/fuzz/fuzz_target.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Reference reference;
    if (!fuzz::accepts([&] { reference = Reference::parse(fuzz::text_of(data, size)); })) return 0;
    fuzz::require(Reference::parse(reference.full()) == reference, "the full name means the same");
    fuzz::require(Reference::parse(reference.familiar()) == reference, "the familiar name means the same");
    return 0;
}
