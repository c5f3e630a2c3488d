// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/spooled_tar.h"

#include "layerstore/layer/tar_reader.h"

namespace imgbuild::builder {

SpooledTar::SpooledTar(OpenTar open_tar, const Directory& scratch, std::string what)
    : open_tar_(std::move(open_tar)), scratch_(scratch.duplicate()), what_(std::move(what)) {}

std::unique_ptr<ByteReader> SpooledTar::open(const Digest& content, std::uint64_t size) {
    std::call_once(spooled_, [this] {
        auto files = std::make_unique<SpooledFiles>(scratch_, what_);
        open_tar_([&](ByteReader& tar) { read(tar, *files); });
        files_ = std::move(files);
    });
    return files_->open(content, size);
}

void SpooledTar::read(ByteReader& tar, SpooledFiles& files) const {
    layerstore::TarReader entries(tar, what_);
    StreamBlock block;
    while (auto entry = entries.next()) {
        if (!entry->entry.is_file() || entry->is_hard_link) continue;
        Sha256 hash;
        while (std::size_t count = entries.read(block.bytes())) {
            const std::span<const std::byte> bytes = block.bytes().first(count);
            hash.update(bytes);
            files.append(bytes);
        }
        files.end_file(hash.finish());
    }
    drain(tar);
}

}  // namespace imgbuild::builder
