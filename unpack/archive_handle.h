// SPDX-License-Identifier: Apache-2.0
#pragma once

// A libarchive reader over a ByteReader. libarchive only ever sees bytes that this class hands it: it opens no
// file and starts no program.

#include <archive.h>

#include <exception>
#include <memory>
#include <string>

#include "base/stream.h"

namespace imgbuild::unpack {

class ArchiveHandle {
  public:
    /// `source` must outlive the handle; `what` names it in errors. Error{internal} when libarchive does not start.
    ArchiveHandle(ByteReader& source, std::string what);
    ArchiveHandle(const ArchiveHandle&) = delete;
    ArchiveHandle& operator=(const ArchiveHandle&) = delete;

    archive* get() const noexcept { return archive_.get(); }
    /// Begins to read; false when no enabled format is recognised. What the source threw leaves it.
    bool open();
    /// `result` of a call on get(), if it is not a failure. A failure is what the source threw, or
    /// Error{invalid_input} in libarchive's words; Error{unsupported} when it wanted more memory than there is.
    la_ssize_t checked(la_ssize_t result) const;
    /// Bytes that were read from the source.
    std::uint64_t consumed() const noexcept { return consumed_; }

  private:
    struct Free {
        void operator()(archive* handle) const noexcept { archive_read_free(handle); }
    };
    static la_ssize_t take(archive*, void* self, const void** bytes) noexcept;

    ByteReader& source_;
    std::string what_;
    StreamBlock block_;
    std::uint64_t consumed_ = 0;
    std::exception_ptr thrown_;
    std::unique_ptr<archive, Free> archive_;
};

}  // namespace imgbuild::unpack
