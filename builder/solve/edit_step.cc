// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/edit_step.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/text.h"
#include "builder/edit/edit.h"
#include "builder/remote/unpacked_archive.h"
#include "builder/solve/missing_source.h"
#include "layerstore/snapshot/overlay_codec.h"

namespace imgbuild::builder {
namespace {

using layerstore::ContentSource;
using layerstore::ContentSources;
using layerstore::TreeDelta;

/// The archives of one ADD.
class Unpacker {
  public:
    Unpacker(Services& services, const std::vector<std::shared_ptr<ContentSources>>& sources)
        : services_(services), sources_(sources) {}

    std::optional<TreeDelta> operator()(const layerstore::Entry& file, const std::string& name) {
        if (file.size == 0) return std::nullopt;
        const Directory& scratch = services_.store.pending();
        std::optional<Fd> archive = copy_if_archive(*open(file, name), scratch, name);
        if (!archive) return std::nullopt;
        std::optional<UnpackedArchive> unpacked =
            read_archive(std::move(*archive), scratch, name, "copy the archive as it is with --unpack=false");
        if (!unpacked) return std::nullopt;
        contents_->add(std::move(unpacked->contents));
        has_archives_ = true;
        return std::move(unpacked->delta);
    }

    std::shared_ptr<ContentSource> contents() const { return has_archives_ ? contents_ : nullptr; }

  private:
    std::unique_ptr<ByteReader> open(const layerstore::Entry& file, const std::string& name) const {
        for (const auto& source : sources_)
            if (auto reader = source->open(file.content, file.size)) return reader;
        throw Error(ErrorKind::internal, "read an archive: " + printable(name) + ": nobody holds its bytes");
    }

    Services& services_;
    const std::vector<std::shared_ptr<ContentSources>>& sources_;
    std::shared_ptr<ContentSources> contents_ = std::make_shared<ContentSources>();
    bool has_archives_ = false;
};

/// Unpacks again what a memo knew the outcome of, once somebody asks for a file of it.
class UnpackedAgain final : public ContentSource {
  public:
    explicit UnpackedAgain(std::function<EditOutcome()> edit) : edit_(std::move(edit)) {}

    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override {
        std::call_once(done_, [this] { contents_ = edit_().own_contents; });
        return contents_ ? contents_->open(content, size) : nullptr;
    }

  private:
    std::function<EditOutcome()> edit_;
    std::once_flag done_;
    std::shared_ptr<ContentSource> contents_;
};

}  // namespace

EditOutcome edit_files(const PlanNode& node, const std::vector<const NodeResult*>& inputs, Services& services,
                       FileContents& contents, SourceTimes times) {
    const EditFiles& edit = std::get<EditFiles>(node.operation);
    const NodeResult& root = *inputs.front();
    std::vector<std::shared_ptr<ContentSources>> sources;
    Unpacker unpacker(services, sources);
    EditInputs edit_inputs{root.tree, {}, *services.inline_contents, {}, {}, {}};
    for (std::size_t i = 1; i < inputs.size(); ++i) {
        const NodeResult& source = *inputs[i];
        const bool other_times = times == SourceTimes::first_seen && source.first_seen;
        edit_inputs.sources.push_back(other_times ? *source.first_seen : source.tree);
    }
    edit_inputs.find_owner = [&](const std::string& text) {
        return find_owner(text, needs_account_files(text) ? contents.account_files(root) : AccountFiles());
    };
    edit_inputs.unpack = [&](const layerstore::Entry& file, const std::string& name) {
        for (std::size_t i = 1; sources.empty() && i < inputs.size(); ++i)
            sources.push_back(contents.of_tree(*inputs[i]));
        return unpacker(file, name);
    };
    edit_inputs.explain_missing = [&](const TransferSource& source) {
        return explain_missing(source, *inputs.at(source.input + 1), services);
    };
    const auto* transfer = std::get_if<TransferFiles>(&edit.edit);
    TreeDelta delta = transfer ? transfer_files(*transfer, edit_inputs)
                               : make_directory(std::get<MakeWorkingDirectory>(edit.edit), edit_inputs);
    return {layerstore::complete_for(delta, root.tree), unpacker.contents()};
}

void add_inline_contents(const BuildPlan& plan, layerstore::MemoryContents& contents) {
    for (const PlanNode& node : plan.nodes) {
        const auto* edit = std::get_if<EditFiles>(&node.operation);
        const auto* transfer = edit ? std::get_if<TransferFiles>(&edit->edit) : nullptr;
        if (!transfer) continue;
        for (const InlineFile& file : transfer->inline_files) contents.add(file.content);
    }
}

std::shared_ptr<ContentSource> archives_of(const PlanNode& node, const std::vector<const NodeResult*>& inputs,
                                           Services& services, FileContents& contents) {
    const auto* transfer = std::get_if<TransferFiles>(&std::get<EditFiles>(node.operation).edit);
    if (!transfer || std::ranges::none_of(transfer->sources, &TransferSource::unpack)) return nullptr;
    return std::make_shared<UnpackedAgain>(
        [&node, inputs, &services, &contents] { return edit_files(node, inputs, services, contents); });
}

}  // namespace imgbuild::builder
