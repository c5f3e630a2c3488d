// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/context_contents.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "builder/context/detail/hash_files.h"

namespace imgbuild::builder {
namespace {

// Nobody has to trust that the file is what the scan saw: it is hashed again.
class ContextReader final : public ByteReader {
  public:
    ContextReader(Fd fd, std::string path, const Digest& content, std::uint64_t size)
        : fd_(std::move(fd)), path_(std::move(path)), content_(content), size_(size), file_(fd_.get(), size, path_) {}
    ContextReader(const ContextReader&) = delete;
    ContextReader& operator=(const ContextReader&) = delete;

    std::size_t read(std::span<std::byte> buffer) override {
        const std::size_t count = file_.read(buffer);
        hash_.update(std::span<const std::byte>(buffer.first(count)));
        count_ += count;
        if (count_ > size_) throw changed_while_reading(path_);
        if (count > 0 || buffer.empty() || is_verified_) return count;
        if (count_ < size_ || hash_.finish() != content_) throw changed_while_reading(path_);
        is_verified_ = true;
        return 0;
    }

  private:
    Fd fd_;
    std::string path_;
    Digest content_;
    std::uint64_t size_;
    KnownFileReader file_;  // of the path above
    Sha256 hash_;
    std::uint64_t count_ = 0;
    bool is_verified_ = false;
};

class ContextContents final : public layerstore::ContentSource {
  public:
    ContextContents(const Directory& root, const FoundPaths& found) : root_(root.duplicate()) {
        std::size_t files = 0, bytes = 0;
        for (const Found& entry : found.entries)
            if (holds_bytes(entry)) ++files, bytes += entry.path_size;
        files_.reserve(files);
        paths_.reserve(bytes);
        for (const Found& entry : found.entries) {
            if (!holds_bytes(entry)) continue;
            files_.push_back({entry.record.content, paths_.size(), entry.path_size});
            paths_ += found.path(entry);
        }
    }

    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override {
        std::call_once(sorted_, [this] {
            std::ranges::sort(files_, [](const File& a, const File& b) {
                return a.content != b.content ? a.content < b.content : a.path_at < b.path_at;
            });
        });
        auto found = std::ranges::lower_bound(files_, content, {}, &File::content);
        if (found == files_.end() || found->content != content) return nullptr;
        std::string path = paths_.substr(found->path_at, found->path_size);
        return std::make_unique<ContextReader>(open_context_file(root_, path), path, content, size);
    }

  private:
    struct File {
        Digest content;
        std::size_t path_at;
        std::uint32_t path_size;
    };

    static bool holds_bytes(const Found& entry) noexcept {
        return entry.included && entry.record.kind == layerstore::EntryKind::file && entry.record.identity.size > 0;
    }

    Directory root_;
    std::string paths_;
    std::vector<File> files_;
    std::once_flag sorted_;
};

}  // namespace

std::shared_ptr<layerstore::ContentSource> context_contents(const Directory& root, const FoundPaths& found) {
    return std::make_shared<ContextContents>(root, found);
}

}  // namespace imgbuild::builder
