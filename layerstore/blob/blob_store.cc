// SPDX-License-Identifier: Apache-2.0
#include "layerstore/blob/blob_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore {
namespace {

// A verifying reader together with the descriptor it reads.
class BlobReader final : public ByteReader {
  public:
    BlobReader(Fd fd, const Digest& digest, std::uint64_t size, const std::string& what)
        : file_(std::move(fd), what), verified_(file_, digest, size, what) {}
    std::size_t read(std::span<std::byte> buffer) override { return verified_.read(buffer); }

  private:
    FdReader file_;
    VerifyingReader verified_;
};

ImagePath blob_path(const Digest& digest) { return ImagePath().child(digest.hex()); }

std::string name_of_blob(std::string_view what, const Digest& digest) {
    return what.empty() ? fmt::format("blob {}", digest.text()) : fmt::format("{}: blob {}", what, digest.text());
}

[[noreturn]] void throw_missing(std::string_view what, const Digest& digest) {
    throw Error(ErrorKind::not_found, fmt::format("{}: missing", name_of_blob(what, digest)));
}

}  // namespace

// Read-only for everybody: a blob never changes, and a tool that edits one by mistake is told at once.
BlobWriter::BlobWriter(const Directory& scratch, const Directory& blobs)
    : blobs_(blobs), file_(scratch, blobs, "", Durability::none, 0444), hash_(&file_) {}

void BlobWriter::write(std::span<const std::byte> bytes) { hash_.write(bytes); }

const Digest& BlobWriter::finish() {
    if (!digest_) digest_ = hash_.finish();
    return *digest_;
}

Digest BlobWriter::commit() {
    publish();
    return finish();
}

void BlobWriter::commit_expecting(const Digest& digest, std::uint64_t size, std::string_view what) {
    if (hash_.count() != size)
        throw Error(ErrorKind::corrupt, fmt::format("{}: {} bytes instead of {}", what, hash_.count(), size));
    const Digest& found = finish();
    if (found != digest)
        throw Error(ErrorKind::corrupt,
                    fmt::format("{}: its content is {} and not {}", what, found.text(), digest.text()));
    publish();
}

void BlobWriter::publish() {
    // In place of what may stand there: these bytes are right, and nobody has looked whether those still are.
    file_.commit_as(finish().hex());
}

BlobStore::BlobStore(Directory root, Directory scratch) : root_(std::move(root)), scratch_(std::move(scratch)) {
    const ImagePath place = ImagePath::clean("blobs/sha256");
    if (scratch_.fd() >= 0 && !root_.status(place)) root_.make_directory(place);
    // A link here would send what we write elsewhere.
    auto fd = root_.try_open(place, O_RDONLY | O_DIRECTORY, FollowLinks::never);
    if (fd) blobs_ = Directory(*std::move(fd), root_.name() + place.bytes());
}

std::optional<std::uint64_t> BlobStore::size(const Digest& digest) const {
    auto there = is_there() ? blobs_.status(blob_path(digest)) : std::nullopt;
    if (!there || !S_ISREG(there->st_mode)) return std::nullopt;
    return static_cast<std::uint64_t>(there->st_size);
}

std::unique_ptr<ByteReader> BlobStore::open(const Digest& digest, std::uint64_t size, std::string what) const {
    if (!is_there() || !blobs_.status(blob_path(digest))) throw_missing(what, digest);
    std::string name = name_of_blob(what, digest);
    auto found = this->size(digest);
    if (!found) throw Error(ErrorKind::corrupt, fmt::format("{}: not a regular file", name));
    if (*found != size) throw Error(ErrorKind::corrupt, fmt::format("{}: {} bytes instead of {}", name, *found, size));
    // O_NONBLOCK: a fifo that takes the file's place meanwhile must not hang us.
    auto fd = blobs_.try_open(blob_path(digest), O_RDONLY | O_NONBLOCK, FollowLinks::never);
    if (!fd) throw_missing(what, digest);
    return std::make_unique<BlobReader>(*std::move(fd), digest, size, name);
}

std::string BlobStore::read(const Digest& digest, std::uint64_t limit, std::string_view what) const {
    std::uint64_t bytes = size(digest).value_or(0);
    if (bytes > limit)
        throw Error(ErrorKind::invalid_input,
                    fmt::format("{}: larger than {}", name_of_blob(what, digest), human_size(limit)));
    return read_all(*open(digest, bytes, std::string(what)), limit, what);
}

std::optional<std::string> BlobStore::read_range(const Digest& digest, std::uint64_t offset, std::size_t size) const {
    const auto there = this->size(digest);
    if (!there || offset > *there || *there - offset < size) return std::nullopt;
    auto fd = blobs_.try_open(blob_path(digest), O_RDONLY | O_NONBLOCK, FollowLinks::never);
    if (!fd) return std::nullopt;
    if (::lseek(fd->get(), static_cast<off_t>(offset), SEEK_SET) < 0) throw_errno("read", name_of_blob("", digest));
    FdReader reader(*std::move(fd), name_of_blob("", digest));
    std::string bytes = read_ahead(reader, size);
    if (bytes.size() < size) return std::nullopt;
    return bytes;
}

std::unique_ptr<BlobWriter> BlobStore::begin() const {
    if (scratch_.fd() < 0)
        throw Error(ErrorKind::denied, fmt::format("write a blob: {}: opened for reading only", root_.name()));
    return std::make_unique<BlobWriter>(scratch_, blobs_);
}

Digest BlobStore::put(std::string_view bytes) const {
    Digest digest = Sha256::of(bytes);
    if (size(digest) == bytes.size() && is_whole(digest, bytes.size())) {
        // It counts as new again: a collection spares what is young.
        static_cast<void>(::utimensat(blobs_.fd(), digest.hex().c_str(), nullptr, AT_SYMLINK_NOFOLLOW));
        return digest;
    }
    auto writer = begin();
    writer->write(as_bytes(bytes));
    return writer->commit();
}

bool BlobStore::is_whole(const Digest& digest, std::uint64_t size) const {
    try {
        drain(*open(digest, size, ""));
        return true;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::not_found) throw;
        return false;
    }
}

void BlobStore::remove(const Digest& digest) const {
    if (is_there()) blobs_.remove_tree(digest.hex());
}

std::vector<Digest> BlobStore::list() const {
    std::vector<Digest> digests;
    if (!is_there()) return digests;
    for (const std::string& name : blobs_.list())
        if (auto digest = Digest::from_hex(name)) digests.push_back(*digest);
    std::sort(digests.begin(), digests.end());
    return digests;
}

void BlobStore::sync() const {
    if (is_there() && ::syncfs(blobs_.fd()) < 0) throw_errno("sync", blobs_.name());
}

}  // namespace imgbuild::layerstore
