// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/edit_step.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/text.h"
#include "builder/edit/edit.h"
#include "builder/fetch/unpack.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/overlay_codec.h"

namespace imgbuild::builder {
namespace {

using layerstore::ContentSource;
using layerstore::ContentSources;
using layerstore::TreeDelta;

void rewind(const Fd& file, const std::string& name) {
    if (::lseek(file.get(), 0, SEEK_SET) < 0) throw_errno("read", name);
}

/// The archives of one ADD: unpacked once, the tar that comes out kept for the files in it.
class Unpacker {
  public:
    Unpacker(Services& services, const std::vector<std::shared_ptr<ContentSources>>& sources)
        : services_(services), sources_(sources) {}

    std::optional<TreeDelta> operator()(const layerstore::Entry& file, const std::string& name) {
        if (file.size == 0) return std::nullopt;
        std::optional<Fd> archive = copy_of(file, name);
        if (!archive) return std::nullopt;
        auto tar = std::make_shared<const Fd>(make_unnamed_file(services_.store.pending()));
        std::optional<TreeDelta> delta = read_archive(std::move(*archive), *tar, name);
        if (!delta) return std::nullopt;
        contents_->add(std::make_shared<SpooledTar>(
            [tar, name](const auto& consume) {
                rewind(*tar, name);
                FdReader reader(tar->get(), name);
                consume(reader);
            },
            services_.store.pending(), name));
        has_archives_ = true;
        return delta;
    }

    std::shared_ptr<ContentSource> contents() const { return has_archives_ ? contents_ : nullptr; }

  private:
    // A file of our own, because the helper reads a descriptor; empty where the first bytes are of no archive.
    std::optional<Fd> copy_of(const layerstore::Entry& file, const std::string& name) const {
        constexpr std::size_t header = 512;
        std::unique_ptr<ByteReader> reader = open(file, name);
        std::string first = read_ahead(*reader, header);
        if (!looks_like_archive(first)) return std::nullopt;
        Fd copy = make_unnamed_file(services_.store.pending());
        FdWriter writer(copy.get(), name);
        PrefixedReader whole(std::move(first), *reader);
        copy_all(whole, writer);
        rewind(copy, name);
        return copy;
    }

    std::unique_ptr<ByteReader> open(const layerstore::Entry& file, const std::string& name) const {
        for (const auto& source : sources_)
            if (auto reader = source->open(file.content, file.size)) return reader;
        throw Error(ErrorKind::internal, "read an archive: " + printable(name) + ": nobody holds its bytes");
    }

    // An archive that must not get into an image is what the Buildfile named, and not trouble of ours.
    static std::optional<TreeDelta> read_archive(Fd archive, const Fd& tar, const std::string& name) {
        constexpr const char* hint = "copy the archive as it is with --unpack=false";
        try {
            FdWriter writer(tar.get(), name);
            if (!unpack_archive(std::move(archive), [&](ByteReader& reader) { copy_all(reader, writer); }))
                return std::nullopt;
            return read_tar(tar, name);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::invalid_input) throw;
            throw Error(ErrorKind::usage, printable(name) + ": " + error.full_message(), hint);
        }
    }

    static TreeDelta read_tar(const Fd& tar, const std::string& name) {
        rewind(tar, name);
        FdReader reader(tar.get(), "tar");
        TreeDelta delta = layerstore::read_layer(reader, layerstore::Tree(), "tar");
        for (const layerstore::Change& change : delta.changes())
            if (change.kind != layerstore::ChangeKind::put)
                throw Error(ErrorKind::invalid_input,
                            printable(change.path.absolute()) +
                                ": is the mark of a deletion in a layer, which no file of an image can be called");
        return delta;
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

std::string describe(const PlanNode& node) {
    const auto* image = std::get_if<FromImage>(&node.operation);
    return printable(image ? "image " + image->image->name : "stage " + node.stage);
}

std::string why_missing(const TransferSource& source, const NodeResult& input, const Services& services) {
    const auto* files = std::get_if<ContextFiles>(&input.node->operation);
    if (!files) return "it is looked for below the root of " + describe(*input.node);
    const ContextDirectory& context = services.options.contexts.at(files->context);
    const parser::IgnoreVerdict verdict = context.ignore.match(source.pattern);
    if (!verdict.ignored) return "paths are below the context, " + printable(context.path);
    auto rule = std::ranges::find(context.ignore.rules(), verdict.line, &parser::IgnoreRule::line);
    std::string hint = context.ignore_name + ":" + std::to_string(verdict.line);
    if (rule != context.ignore.rules().end())
        hint += ": the rule " + printable((rule->exception ? "!" : "") + rule->pattern);
    return hint + " hides it from the context, " + printable(context.path);
}

}  // namespace

EditOutcome edit_files(const PlanNode& node, const std::vector<const NodeResult*>& inputs, Services& services,
                       FileContents& contents) {
    const EditFiles& edit = std::get<EditFiles>(node.operation);
    const NodeResult& root = *inputs.front();
    std::vector<std::shared_ptr<ContentSources>> sources;
    Unpacker unpacker(services, sources);
    EditInputs edit_inputs{root.tree, {}, *services.inline_contents, {}, {}, {}};
    for (std::size_t i = 1; i < inputs.size(); ++i) edit_inputs.sources.push_back(inputs[i]->tree);
    edit_inputs.find_owner = [&](const std::string& text) {
        return find_owner(text, needs_account_files(text) ? contents.account_files(root) : AccountFiles());
    };
    edit_inputs.unpack = [&](const layerstore::Entry& file, const std::string& name) {
        for (std::size_t i = 1; sources.empty() && i < inputs.size(); ++i)
            sources.push_back(contents.of_tree(*inputs[i]));
        return unpacker(file, name);
    };
    edit_inputs.explain_missing = [&](const TransferSource& source) {
        return why_missing(source, *inputs.at(source.input + 1), services);
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
