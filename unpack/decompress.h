// SPDX-License-Identifier: Apache-2.0
#pragma once

// The compressions that ADD takes off: gzip and zstd by the strict readers of base/compression.h, bzip2 and xz by
// libarchive. Exactly one is taken off, so that a file that was compressed twice is no archive.

#include <memory>
#include <string>

#include "base/compression.h"
#include "base/stream.h"

namespace imgbuild::unpack {

/// A reader of what `source`, which must outlive it, holds compressed, told by its first bytes; the bytes
/// themselves where those show no compression. Checksums, truncation and `limits` are checked as
/// make_decompressor() does, with the same errors. bzip2 and xz that are damaged in their first block are an Error
/// here already: their decoders give nothing of such a block, so that a first header cannot be looked for.
std::unique_ptr<ByteReader> make_foreign_decompressor(ByteReader& source, const std::string& what,
                                                      const DecompressionLimits& limits = {});

}  // namespace imgbuild::unpack
