// SPDX-License-Identifier: Apache-2.0
// The index of an OCI layout: a line that selects an image, then index.json. Whatever is found stays found under the
// name that it is given.
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"
#include "tests/fuzz/fuzz_target.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest = fuzz::text_of(data, size);
    const std::string selector(fuzz::take_until(rest, '\n'));
    Index index;
    if (!fuzz::accepts([&] { index = Index::parse(rest, "index.json"); })) return 0;
    for (const char* platform : {"linux/amd64", "linux/arm/v7"}) index.find(Platform::parse(platform));

    Descriptor found;
    if (!fuzz::accepts([&] { found = find_in_layout(index, selector, "layout"); })) return 0;
    for (const RefName style : {RefName::tag, RefName::familiar}) {
        Index named = index;
        const std::string name = Reference::parse("example.org/fuzz/name:1").full();
        set_name(named, found, name, style);
        fuzz::require(find_in_layout(named, name, "layout").digest == found.digest, "a named image is found");
        const Index again = Index::parse(named.encode(), "index.json");
        fuzz::require(again.manifests == named.manifests, "an index survives its JSON");
    }
    return 0;
}
