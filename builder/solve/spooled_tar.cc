// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/spooled_tar.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "layerstore/layer/tar_reader.h"

namespace imgbuild::builder {
namespace {

/// A part of a file that others read too. Its bytes were hashed when this process wrote them.
class PartReader final : public ByteReader {
  public:
    PartReader(std::shared_ptr<const Fd> file, std::uint64_t offset, std::uint64_t size, std::string name)
        : file_(std::move(file)), offset_(offset), left_(size), name_(std::move(name)) {}

    std::size_t read(std::span<std::byte> buffer) override {
        const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
        if (wanted == 0) return 0;
        ssize_t count = 0;
        do count = ::pread(file_->get(), buffer.data(), wanted, static_cast<off_t>(offset_));
        while (count < 0 && errno == EINTR);
        if (count < 0) throw_errno("read", name_);
        if (count == 0) throw Error(ErrorKind::internal, "read: " + name_ + ": shorter than what was written");
        offset_ += static_cast<std::uint64_t>(count);
        left_ -= static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
    }

  private:
    std::shared_ptr<const Fd> file_;
    std::uint64_t offset_;
    std::uint64_t left_;
    std::string name_;
};

}  // namespace

Fd make_unnamed_file(const Directory& directory) {
    const std::string name = random_name();
    Fd file = directory.open(ImagePath().child(name), O_RDWR | O_CREAT | O_EXCL, FollowLinks::never, 0600);
    if (::unlinkat(directory.fd(), name.c_str(), 0) < 0) throw_errno("remove", directory.name() + "/" + name);
    return file;
}

SpooledTar::SpooledTar(OpenTar open_tar, const Directory& scratch, std::string what)
    : open_tar_(std::move(open_tar)), scratch_(scratch.duplicate()), what_(std::move(what)) {}

std::unique_ptr<ByteReader> SpooledTar::open(const Digest& content, std::uint64_t size) {
    std::call_once(spooled_, [this] { spool(); });
    auto found = offsets_.find(content);
    if (found == offsets_.end()) return nullptr;
    return std::make_unique<PartReader>(file_, found->second, size, what_);
}

void SpooledTar::spool() {
    offsets_.clear();
    file_ = std::make_shared<const Fd>(make_unnamed_file(scratch_));
    open_tar_([this](ByteReader& tar) { read(tar); });
}

void SpooledTar::read(ByteReader& tar) {
    layerstore::TarReader entries(tar, what_);
    FdWriter file(file_->get(), what_);
    StreamBlock block;
    std::uint64_t offset = 0;
    while (auto entry = entries.next()) {
        if (!entry->entry.is_file() || entry->is_hard_link) continue;
        HashingWriter hashing(&file);
        while (std::size_t count = entries.read(block.bytes())) hashing.write(block.bytes().first(count));
        const std::uint64_t size = hashing.count();
        offsets_.emplace(hashing.finish(), offset);
        offset += size;
    }
    drain(tar);
}

}  // namespace imgbuild::builder
