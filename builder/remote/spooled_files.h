// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files of a tar by digest, one behind the other in an unlinked file on the store's disk.

#include <memory>
#include <string>
#include <unordered_map>

#include "base/directory.h"
#include "base/fd.h"
#include "base/stream.h"
#include "layerstore/tree/content_source.h"

namespace imgbuild::builder {

/// One thread fills it; afterwards any number may open().
class SpooledFiles final : public layerstore::ContentSource {
  public:
    /// The file is made in `scratch`. `what` names its origin in errors.
    SpooledFiles(const Directory& scratch, std::string what);

    /// Bytes of the current file.
    void append(std::span<const std::byte> bytes);
    /// Ends the current file, whose bytes have that digest.
    void end_file(const Digest& content);

    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override;

  private:
    std::string what_;
    std::shared_ptr<const Fd> file_;
    FdWriter writer_;
    std::unordered_map<Digest, std::uint64_t> offsets_;
    std::uint64_t begin_ = 0;  ///< of the current file
    std::uint64_t end_ = 0;
};

/// A file of our own in `directory` that has no name. Throws Error.
Fd make_unnamed_file(const Directory& directory);

}  // namespace imgbuild::builder
