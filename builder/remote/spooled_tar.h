// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files of a tar by digest: of a layer blob, or of an archive. Nothing is read until somebody asks; then the tar is
// read once, its files going one behind the other into an unlinked file on the store's disk.

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/directory.h"
#include "builder/remote/spooled_files.h"
#include "layerstore/tree/content_source.h"

namespace imgbuild::builder {

/// Calls its argument with a reader of an uncompressed tar, once.
using OpenTar = std::function<void(const std::function<void(ByteReader&)>& consume)>;

class SpooledTar final : public layerstore::ContentSource {
  public:
    /// `scratch`, copied, is where the file is made. `what` names the tar in errors.
    SpooledTar(OpenTar open_tar, const Directory& scratch, std::string what);

    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override;

  private:
    void read(ByteReader& tar, SpooledFiles& files) const;

    OpenTar open_tar_;
    Directory scratch_;
    std::string what_;
    std::once_flag spooled_;
    std::unique_ptr<SpooledFiles> files_;
};

}  // namespace imgbuild::builder
