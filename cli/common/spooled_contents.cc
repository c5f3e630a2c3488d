// SPDX-License-Identifier: Apache-2.0
#include "cli/common/spooled_contents.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace imgbuild::cli {
namespace {

const ImagePath& spool_path() {
    static const ImagePath path = ImagePath::clean("contents");
    return path;
}

// The first `size` bytes of what `file` still has.
class PartReader final : public ByteReader {
  public:
    PartReader(Fd file, std::string name, std::uint64_t size) : file_(std::move(file), std::move(name)), left_(size) {}

    std::size_t read(std::span<std::byte> buffer) override {
        const std::uint64_t wanted = std::min<std::uint64_t>(buffer.size(), left_);
        const std::size_t count = file_.read(buffer.first(static_cast<std::size_t>(wanted)));
        left_ -= count;
        return count;
    }

  private:
    FdReader file_;
    std::uint64_t left_;
};

// A part that is checked when it was read.
class VerifiedPart final : public ByteReader {
  public:
    VerifiedPart(PartReader part, const Digest& content, std::uint64_t size, std::string name)
        : part_(std::move(part)), verified_(part_, content, size, std::move(name)) {}
    VerifiedPart(const VerifiedPart&) = delete;
    VerifiedPart& operator=(const VerifiedPart&) = delete;
    std::size_t read(std::span<std::byte> buffer) override { return verified_.read(buffer); }

  private:
    PartReader part_;
    VerifyingReader verified_;
};

}  // namespace

SpooledContents::SpooledContents(const Directory& scratch)
    : folder_(TemporaryDirectory::create_in(scratch)),
      file_(folder_.directory().open(spool_path(), O_WRONLY | O_CREAT | O_EXCL, FollowLinks::never, 0600)),
      writer_(file_.get(), folder_.path() + spool_path().bytes()) {}

void SpooledContents::append(std::span<const std::byte> bytes) {
    hash_.update(bytes);
    writer_.write(bytes);
    end_ += bytes.size();
}

void SpooledContents::end_file() {
    const Digest content = std::exchange(hash_, Sha256()).finish();
    places_.try_emplace(content, Place{begin_, end_ - begin_});
    begin_ = end_;
}

std::unique_ptr<ByteReader> SpooledContents::open(const Digest& content, std::uint64_t size) {
    const auto place = places_.find(content);
    if (place == places_.end() || place->second.size != size) return nullptr;
    const std::string name = folder_.path() + spool_path().bytes();
    // A descriptor of its own has a position of its own: any number of threads read at once.
    Fd file = folder_.directory().open(spool_path(), O_RDONLY, FollowLinks::never);
    if (::lseek(file.get(), static_cast<off_t>(place->second.offset), SEEK_SET) < 0) throw_errno("seek in", name);
    return std::make_unique<VerifiedPart>(PartReader(std::move(file), name, size), content, size, name);
}

}  // namespace imgbuild::cli
