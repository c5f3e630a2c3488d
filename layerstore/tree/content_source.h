// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the bytes of files lie while one build runs: in the context, in a materialised delta, in a blob, in
// memory. Records name content by digest; a ContentSource finds it.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/stream.h"

namespace imgbuild::layerstore {

class ContentSource {
  public:
    virtual ~ContentSource() = default;
    /// A reader of exactly `size` bytes whose digest is `content`. The reader throws at its end, naming the
    /// file, when they are not: Error{invalid_input} when a context changed under the build, Error{corrupt}
    /// for our own files. Null when this source does not hold it. Thread-safe.
    virtual std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) = 0;
};

/// Contents that stand in memory: heredocs, generated files.
class MemoryContents final : public ContentSource {
  public:
    /// Keeps the bytes and says their digest. Thread-safe.
    Digest add(std::string bytes);
    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override;

  private:
    std::mutex mutex_;
    std::map<Digest, std::shared_ptr<const std::string>> contents_;
};

/// Asks several sources in turn. Empty files need none.
class ContentSources final : public ContentSource {
  public:
    void add(std::shared_ptr<ContentSource> source);
    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override;
    /// As open(), but content that nobody holds is Error{internal} naming `path`.
    std::unique_ptr<ByteReader> require(const Digest& content, std::uint64_t size, std::string_view path);

  private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<ContentSource>> sources_;
};

}  // namespace imgbuild::layerstore
