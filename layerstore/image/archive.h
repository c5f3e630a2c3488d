// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images as one tar: an OCI layout in an archive (-o type=oci), and the same with manifest.json so that
// docker load and podman load take it (-o type=docker). Entries are sorted and have fixed times, so equal
// images give equal archives.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/stream.h"
#include "layerstore/blob/blob_store.h"
#include "layerstore/image/image.h"

namespace imgbuild::layerstore {

enum class ArchiveFormat { oci, docker };

/// What an archive holds under some names.
struct ArchivedImage {
    Descriptor root;                 ///< a manifest or an index; its annotations stand in index.json
    std::vector<std::string> names;  ///< full references, may be empty
    /// The image that Docker's manifest.json names of it; empty where it names none.
    std::optional<Image> loadable;
};

/// One archive, before it is written: how long it is, and what of it may stay away.
class ImageArchive {
  public:
    /// Borrows `blobs`, in which all of the images stands. `images` is not empty.
    ImageArchive(std::vector<ArchivedImage> images, const BlobStore& blobs);

    /// This blob is not written: whoever reads the archive has it. An archive without some of its layers is for
    /// docker's engine alone, which looks at manifest.json first and opens no layer that it has.
    void leave_out(const Digest& blob) { files_.erase(blob); }

    /// Bytes that write() writes.
    std::uint64_t size() const;
    /// Layers are streamed and verified; memory does not depend on their size.
    void write(ByteWriter& out) const;

  private:
    std::vector<std::pair<std::string, std::string>> documents() const;

    std::vector<ArchivedImage> images_;
    const BlobStore& blobs_;
    std::map<Digest, std::uint64_t> files_;  ///< blobs and their sizes
};

/// Writes the archive of `image`, whose blobs stand in `blobs`. `names` are full references, may be empty. The
/// annotations of image.descriptor stand in index.json.
void write_archive(const Image& image, const std::vector<std::string>& names, const BlobStore& blobs,
                   ArchiveFormat format, ByteWriter& out);

/// The same for a manifest or index `root`, with all images of an index. Docker's manifest.json names one of them,
/// `loadable`; where that is null it is left out.
void write_archive(const Descriptor& root, const std::vector<std::string>& names, const BlobStore& blobs,
                   ByteWriter& out, const Image* loadable = nullptr);

/// One image found in an archive.
struct LoadedImage {
    Image image;
    /// What the archive's names stand for: an index where all of it came, else the image.
    Descriptor root;
    std::vector<std::string> names;  ///< full references, those the archive claims
};

/// Reads an archive of either kind (also one that docker save of old wrote, with layers as plain tars), its
/// files going into `blobs` under the digests of their bytes, and checks the images it names; links are followed
/// inside the archive only. Archives compressed with gzip or zstd are recognised. Of an index, the
/// image for `platform` is what is checked, else the first of the index where all of it came. Error{invalid_input} names `what`.
std::vector<LoadedImage> read_archive(ByteReader& in, const BlobStore& blobs, const Platform& platform,
                                      const std::string& what);

}  // namespace imgbuild::layerstore
