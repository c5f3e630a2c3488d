// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/step_value.h"

#include "base/wire.h"
#include "layerstore/store/records.h"

namespace imgbuild::layerstore {

std::string StepValue::encode() const {
    WireWriter out;
    out.digest(delta.value).varint(cost);
    if (applied) out.digest(applied->root.value).text(Records::encode_ref(applied->result));
    return out.take();
}

StepValue StepValue::decode(std::string_view bytes) {
    WireReader in(bytes, "memo of a step");
    StepValue value{DeltaId{in.digest()}, 0, std::nullopt};
    if (!in.at_end()) value.cost = in.varint();
    if (!in.at_end()) {
        const TreeId root{in.digest()};
        value.applied = Applied{root, Records::decode_ref(in.text())};
    }
    in.expect_end();
    return value;
}

}  // namespace imgbuild::layerstore
