// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/spooled_tar.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "layerstore/layer/tar_reader.h"

namespace imgbuild::builder {
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
    return std::make_unique<FilePartReader>(file_, found->second, size, what_);
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
