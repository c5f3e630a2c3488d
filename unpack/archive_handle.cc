// SPDX-License-Identifier: Apache-2.0
#include "unpack/archive_handle.h"

#include <fmt/format.h>

#include <cerrno>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::unpack {

ArchiveHandle::ArchiveHandle(ByteReader& source, std::string what)
    : source_(source), what_(std::move(what)), archive_(archive_read_new()) {
    if (!archive_) throw Error(ErrorKind::internal, "unpack: libarchive does not start");
}

bool ArchiveHandle::open() {
    int result = archive_read_open(get(), this, nullptr, &ArchiveHandle::take, nullptr);
    if (thrown_) std::rethrow_exception(thrown_);
    return result == ARCHIVE_OK;
}

la_ssize_t ArchiveHandle::checked(la_ssize_t result) const {
    if (thrown_) std::rethrow_exception(thrown_);
    if (result >= ARCHIVE_WARN) return result;
    const char* words = archive_error_string(get());
    throw Error(archive_errno(get()) == ENOMEM ? ErrorKind::unsupported : ErrorKind::invalid_input,
                fmt::format("{}: {}", what_, printable(words != nullptr ? words : "damaged")));
}

la_ssize_t ArchiveHandle::take(archive*, void* self, const void** bytes) noexcept {
    auto& handle = *static_cast<ArchiveHandle*>(self);
    try {
        std::size_t count = handle.source_.read(handle.block_.bytes());
        handle.consumed_ += count;
        *bytes = handle.block_.bytes().data();
        return static_cast<la_ssize_t>(count);
    } catch (...) {
        handle.thrown_ = std::current_exception();
        return ARCHIVE_FATAL;
    }
}

}  // namespace imgbuild::unpack
