// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of files that come once, from a stream, and are needed again: kept one behind the other in a file
// without a name, so that memory does not grow with them and nothing is left behind.

#include <map>

#include "base/digest.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/stream.h"
#include "layerstore/tree/content_source.h"

namespace imgbuild::cli {

/// One thread fills it; afterwards any number may open().
class SpooledContents final : public layerstore::ContentSource {
  public:
    /// The file lies in `scratch`. Throws Error.
    explicit SpooledContents(const Directory& scratch);

    /// Bytes of the current file.
    void append(std::span<const std::byte> bytes);
    /// Ends the current file. Content that came before is not kept twice.
    void end_file();

    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override;

  private:
    struct Place {
        std::uint64_t offset = 0;
        std::uint64_t size = 0;
    };

    Fd file_;
    std::string name_;
    std::map<Digest, Place> places_;
    Sha256 hash_;
    std::uint64_t begin_ = 0;  ///< of the current file
    std::uint64_t end_ = 0;
};

}  // namespace imgbuild::cli
