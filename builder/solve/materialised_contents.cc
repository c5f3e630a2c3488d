// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/materialised_contents.h"

#include <algorithm>
#include <span>

#include "base/error.h"
#include "builder/solve/services.h"

namespace imgbuild::builder {
namespace {

constexpr std::size_t batch = 128;  // descriptors held at once, far below the usual limit of 1,024

[[noreturn]] void give_up(Sandbox& sandbox, const DeltaId& delta) {
    sandbox.remove(delta);
    throw BytesMissing(delta);
}

class VerifiedFile final : public ByteReader {
  public:
    VerifiedFile(Fd file, const Digest& content, std::uint64_t size, const std::string& name, Sandbox& sandbox,
                 const DeltaId& delta)
        : sandbox_(sandbox), delta_(delta), file_(std::move(file), name), verified_(file_, content, size, name) {}

    std::size_t read(std::span<std::byte> buffer) override {
        try {
            return verified_.read(buffer);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::corrupt) throw;
            give_up(sandbox_, delta_);
        }
    }

  private:
    Sandbox& sandbox_;
    DeltaId delta_;
    FdReader file_;
    VerifyingReader verified_;
};

}  // namespace

MaterialisedContents::MaterialisedContents(Sandbox& sandbox, const DeltaId& id, const layerstore::TreeDelta& delta)
    : sandbox_(sandbox), id_(id) {
    for (const layerstore::Change& change : delta.changes()) {
        if (change.kind != layerstore::ChangeKind::put || !change.entry.is_file() || change.entry.size == 0) continue;
        if (by_content_.emplace(change.entry.content, paths_.size()).second) paths_.push_back(change.path);
    }
}

std::unique_ptr<ByteReader> MaterialisedContents::open(const Digest& content, std::uint64_t size) {
    auto found = by_content_.find(content);
    if (found == by_content_.end()) return nullptr;
    const std::string name = "delta " + id_.value.short_hex() + paths_[found->second].bytes();
    Fd file = take(found->second);
    if (!file) give_up(sandbox_, id_);
    return std::make_unique<VerifiedFile>(std::move(file), content, size, name, sandbox_, id_);
}

Fd MaterialisedContents::take(std::size_t position) {
    std::lock_guard lock(mutex_);
    auto found = opened_.find(position);
    if (found == opened_.end()) {
        opened_.clear();
        if (!sandbox_.has(id_)) throw BytesMissing(id_);  // another step of this build found it damaged
        const std::size_t count = std::min(batch, paths_.size() - position);
        std::vector<Fd> files = sandbox_.open_files(id_, std::span(paths_).subspan(position, count));
        for (std::size_t i = 0; i < files.size(); ++i) opened_.emplace(position + i, std::move(files[i]));
        found = opened_.find(position);
    }
    Fd file = std::move(found->second);
    opened_.erase(found);
    return file;
}

}  // namespace imgbuild::builder
