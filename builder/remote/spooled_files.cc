// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/spooled_files.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"

namespace imgbuild::builder {

Fd make_unnamed_file(const Directory& directory) {
    const std::string name = random_name();
    Fd file = directory.open(ImagePath().child(name), O_RDWR | O_CREAT | O_EXCL, FollowLinks::never, 0600);
    if (::unlinkat(directory.fd(), name.c_str(), 0) < 0) throw_errno("remove", directory.name() + "/" + name);
    return file;
}

SpooledFiles::SpooledFiles(const Directory& scratch, std::string what)
    : what_(std::move(what)),
      file_(std::make_shared<const Fd>(make_unnamed_file(scratch))),
      writer_(file_->get(), what_) {}

void SpooledFiles::append(std::span<const std::byte> bytes) {
    writer_.write(bytes);
    end_ += bytes.size();
}

void SpooledFiles::end_file(const Digest& content) {
    offsets_.emplace(content, begin_);
    begin_ = end_;
}

std::unique_ptr<ByteReader> SpooledFiles::open(const Digest& content, std::uint64_t size) {
    const auto found = offsets_.find(content);
    if (found == offsets_.end()) return nullptr;
    return std::make_unique<FilePartReader>(file_, found->second, size, what_);
}

}  // namespace imgbuild::builder
