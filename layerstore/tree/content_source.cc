// SPDX-License-Identifier: Apache-2.0
#include "layerstore/tree/content_source.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore {
namespace {

// A reader that keeps alive what it reads.
class SharedReader final : public ByteReader {
  public:
    explicit SharedReader(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)), reader_(*bytes_) {}
    std::size_t read(std::span<std::byte> buffer) override { return reader_.read(buffer); }

  private:
    std::shared_ptr<const std::string> bytes_;
    MemoryReader reader_;
};

}  // namespace

Digest MemoryContents::add(std::string bytes) {
    Digest digest = Sha256::of(bytes);
    std::lock_guard lock(mutex_);
    contents_.try_emplace(digest, std::make_shared<const std::string>(std::move(bytes)));
    return digest;
}

std::unique_ptr<ByteReader> MemoryContents::open(const Digest& content, std::uint64_t) {
    std::lock_guard lock(mutex_);
    auto found = contents_.find(content);
    return found == contents_.end() ? nullptr : std::make_unique<SharedReader>(found->second);
}

void ContentSources::add(std::shared_ptr<ContentSource> source) {
    std::lock_guard lock(mutex_);
    sources_.push_back(std::move(source));
}

std::unique_ptr<ByteReader> ContentSources::open(const Digest& content, std::uint64_t size) {
    if (size == 0) return std::make_unique<MemoryReader>("");
    std::vector<std::shared_ptr<ContentSource>> sources;
    {
        std::lock_guard lock(mutex_);
        sources = sources_;
    }
    for (const auto& source : sources)
        if (auto reader = source->open(content, size)) return reader;
    return nullptr;
}

std::unique_ptr<ByteReader> ContentSources::require(const Digest& content, std::uint64_t size, std::string_view path) {
    if (auto reader = open(content, size)) return reader;
    throw Error(ErrorKind::internal,
                fmt::format("read: {}: nobody holds its content {}", printable(path), content.text()));
}

}  // namespace imgbuild::layerstore
