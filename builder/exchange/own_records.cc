// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/own_records.h"

#include "layerstore/tree/tree_delta.h"

namespace imgbuild::builder {
namespace {

using layerstore::MemoKind;
using layerstore::Records;

void add_file(std::vector<std::string>& files, const Digest& content, Records& records) {
    if (auto memo = records.find_memo(MemoKind::file, content)) files.push_back(std::move(memo->value));
}

// Of users and groups: names in --chown and USER are looked for there.
bool holds_accounts(const layerstore::Change& change) {
    return change.kind == layerstore::ChangeKind::put && change.entry.is_file() &&
           (change.path.bytes() == "/etc/passwd" || change.path.bytes() == "/etc/group");
}

}  // namespace

std::optional<BaseRecord> record_of(const ExportedBase& base, Records& records) {
    BaseRecord record{.manifest = base.manifest, .root = base.root, .layers = {}, .files = {}};
    for (const ExportedBase::Layer& layer : base.layers) {
        const auto delta = records.load_delta(layer.delta);
        if (!delta) return std::nullopt;
        record.layers.push_back({layer.blob, layer.diff_id, delta->encode()});
    }
    for (const Digest& file : base.files) add_file(record.files, file, records);
    return record;
}

std::optional<StepRecord> record_of(const StepName& name, std::string_view preimage, const DeltaId& id,
                                    Records& records) {
    const auto delta = records.load_delta(id);
    if (!delta) return std::nullopt;
    StepRecord record{.kind = name.first, .key = name.second};
    record.preimage = shareable_preimage(preimage);
    record.delta = delta->encode();
    for (const layerstore::Change& change : delta->changes())
        if (holds_accounts(change)) add_file(record.files, change.entry.content, records);
    return record;
}

}  // namespace imgbuild::builder
