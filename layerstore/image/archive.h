// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images as one tar: an OCI layout in an archive (-o type=oci), and the same with manifest.json so that
// docker load and podman load take it (-o type=docker). Entries are sorted and have fixed times, so equal
// images give equal archives.

#include <string>
#include <vector>

#include "base/stream.h"
#include "layerstore/blob/blob_store.h"
#include "layerstore/image/image.h"

namespace imgbuild::layerstore {

enum class ArchiveFormat { oci, docker };

/// Writes the archive of `image`, whose blobs stand in `blobs`. `names` are full references, may be empty. The
/// annotations of image.descriptor stand in index.json. Layers are streamed and verified; memory does not depend
/// on their size.
void write_archive(const Image& image, const std::vector<std::string>& names, const BlobStore& blobs,
                   ArchiveFormat format, ByteWriter& out);

/// The same for a manifest or index `root`, with all images of an index. Docker's manifest.json names one of them,
/// `loadable`; where that is null it is left out.
void write_archive(const Descriptor& root, const std::vector<std::string>& names, const BlobStore& blobs,
                   ByteWriter& out, const Image* loadable = nullptr);

/// One image found in an archive.
struct LoadedImage {
    Image image;
    std::vector<std::string> names;  ///< full references, those the archive claims
};

/// Reads an archive of either kind (also one that docker save of old wrote, with layers as plain tars), its
/// files going into `blobs` under the digests of their bytes, and checks the images it names; links are followed
/// inside the archive only. Archives compressed with gzip or zstd are recognised. Of an image for several
/// platforms, the one for `platform` is taken. Error{invalid_input} names `what`.
std::vector<LoadedImage> read_archive(ByteReader& in, const BlobStore& blobs, const Platform& platform,
                                      const std::string& what);

}  // namespace imgbuild::layerstore
