// SPDX-License-Identifier: Apache-2.0
#include "cli/common/spooled_contents.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"

namespace imgbuild::cli {
namespace {

// Reads a part of a file that others read as well: pread(2) moves no position that they share.
class PartReader final : public ByteReader {
  public:
    PartReader(int file, const std::string& name, std::uint64_t offset, std::uint64_t size)
        : file_(file), name_(name), offset_(offset), left_(size) {}

    std::size_t read(std::span<std::byte> buffer) override {
        const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
        if (wanted == 0) return 0;
        ssize_t count = 0;
        do {
            count = ::pread(file_, buffer.data(), wanted, static_cast<off_t>(offset_));
        } while (count < 0 && errno == EINTR);
        if (count < 0) throw_errno("read", name_);
        if (count == 0) throw Error(ErrorKind::corrupt, name_ + ": a scratch file lost its end");
        offset_ += static_cast<std::uint64_t>(count);
        left_ -= static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
    }

  private:
    int file_;
    const std::string& name_;
    std::uint64_t offset_;
    std::uint64_t left_;
};

// O_TMPFILE where the file system has it; else a name that is taken away at once.
Fd open_nameless(const Directory& scratch) {
    Fd file(::openat(scratch.fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file) return file;
    const std::string name = random_name();
    file.reset(::openat(scratch.fd(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) throw_errno("create a scratch file in", scratch.name());
    if (::unlinkat(scratch.fd(), name.c_str(), 0) != 0) throw_errno("unlink a scratch file in", scratch.name());
    return file;
}

// Reads a part and checks what came.
class VerifiedPart final : public ByteReader {
  public:
    VerifiedPart(PartReader part, const Digest& content, std::uint64_t size, const std::string& name)
        : part_(std::move(part)), verified_(part_, content, size, name) {}
    VerifiedPart(const VerifiedPart&) = delete;
    VerifiedPart& operator=(const VerifiedPart&) = delete;
    std::size_t read(std::span<std::byte> buffer) override { return verified_.read(buffer); }

  private:
    PartReader part_;
    VerifyingReader verified_;
};

}  // namespace

SpooledContents::SpooledContents(const Directory& scratch)
    : file_(open_nameless(scratch)), name_(scratch.name() + "/(a scratch file)") {}

void SpooledContents::append(std::span<const std::byte> bytes) {
    hash_.update(bytes);
    while (!bytes.empty()) {
        const ssize_t count = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(end_));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw_errno("write", name_);
        end_ += static_cast<std::uint64_t>(count);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

void SpooledContents::end_file() {
    const Digest content = std::exchange(hash_, Sha256()).finish();
    // What is there already is written over by the next file.
    if (!places_.try_emplace(content, Place{begin_, end_ - begin_}).second) end_ = begin_;
    begin_ = end_;
}

std::unique_ptr<ByteReader> SpooledContents::open(const Digest& content, std::uint64_t size) {
    const auto place = places_.find(content);
    if (place == places_.end() || place->second.size != size) return nullptr;
    return std::make_unique<VerifiedPart>(PartReader(file_.get(), name_, place->second.offset, size), content, size,
                                          name_);
}

}  // namespace imgbuild::cli
