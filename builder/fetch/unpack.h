// SPDX-License-Identifier: Apache-2.0
#pragma once

// Archives that ADD unpacks, through imgbuild-unpack: foreign formats are never read in this process.

#include <functional>
#include <string_view>

#include "base/fd.h"
#include "base/stream.h"

namespace imgbuild::builder {

/// Cheap: whether a file that begins so may be an archive, by its first 512 bytes (fewer where it is shorter): the
/// magic number of gzip, bzip2, xz or zstd, or the checksum of a tar header. What says no here is none.
bool looks_like_archive(std::string_view first_bytes) noexcept;

/// Unpacks `archive`, read from its position on; `consume` reads the strict tar (layerstore::TarReader) to its
/// end. False, without a call of `consume`, when it is no tar, plain or compressed, after all: the caller copies the
/// file as it is. Error{invalid_input} for an archive that is damaged or holds what must not get into an image,
/// Error{interrupted} when somebody asked to stop; reading then throws inside `consume`, never ends early. What
/// `consume` throws ends the helper and leaves.
bool unpack_archive(Fd archive, const std::function<void(ByteReader&)>& consume);

}  // namespace imgbuild::builder
