// SPDX-License-Identifier: Apache-2.0
#include "unpack/unpack.h"

#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/layer/tar_writer.h"
#include "unpack/archive_handle.h"
#include "unpack/decompress.h"

namespace imgbuild::unpack {
namespace {

using layerstore::Entry;
using layerstore::EntryKind;

constexpr std::string_view what = "archive";
constexpr std::int64_t largest_id = UINT32_MAX - 1;  // the last value is "no owner" to the kernel
constexpr std::int64_t largest_time = INT64_MAX / 4;

// A step up goes back over the part before it, as other programs that unpack read it. Empty where that leaves the archive.
std::optional<ImagePath> path_inside(std::string_view name) {
    std::vector<std::string> parts;
    for (const std::string_view part : split(name, '/')) {
        if (part.empty() || part == ".") continue;
        if (part != "..")
            parts.emplace_back(part);
        else if (parts.empty())
            return std::nullopt;
        else
            parts.pop_back();
    }
    return ImagePath::parse_strict(join(parts, "/"));
}

// Headers are small and writes are system calls.
class BufferedWriter final : public ByteWriter {
  public:
    explicit BufferedWriter(ByteWriter& out) : out_(out) {}
    void write(std::span<const std::byte> bytes) override {
        if (buffer_.size() + bytes.size() > stream_block) flush();
        if (bytes.size() >= stream_block)
            out_.write(bytes);
        else
            buffer_ += as_text(bytes);
    }
    void flush() {
        out_.write(as_bytes(buffer_));
        buffer_.clear();
    }

  private:
    ByteWriter& out_;
    std::string buffer_;
};

class Unpacker {
  public:
    Unpacker(ByteReader& tar, ByteWriter& out, const layerstore::TarLimits& limits)
        : handle_(tar, std::string(what)), out_(out), limits_(limits) {
        archive_read_support_filter_none(handle_.get());
        archive_read_support_format_tar(handle_.get());
    }

    std::optional<Unpacked> run() {
        if (!handle_.open()) return std::nullopt;
        while (archive_entry* entry = next()) {
            if (++done_.entries > limits_.max_entries) fail(fmt::format("more than {} entries", limits_.max_entries));
            convert(entry);
        }
        if (done_.entries == 0) return std::nullopt;
        out_.write(as_bytes(layerstore::tar_end()));
        out_.flush();
        return done_;
    }

  private:
    archive_entry* next() {
        current_.clear();
        archive_entry* entry = nullptr;
        la_ssize_t result = handle_.checked(archive_read_next_header(handle_.get(), &entry));
        if (result == ARCHIVE_EOF) return nullptr;
        const char* name = archive_entry_pathname(entry);
        current_ = name != nullptr ? name : "";
        // The one warning that loses nothing: a name that is not of our locale is kept byte for byte.
        std::string_view words =
            archive_error_string(handle_.get()) != nullptr ? archive_error_string(handle_.get()) : "";
        if (result == ARCHIVE_WARN && words.find("can't be converted") == std::string_view::npos)
            fail(printable(words));
        return entry;
    }

    void convert(archive_entry* from) {
        ImagePath path = path_of(current_, "name");
        Entry entry = attributes_of(from);
        if (const char* target = archive_entry_hardlink(from)) {
            ImagePath linked = path_of(target, "target");
            if (path.is_root() || linked.is_root()) fail("a hard link of the root");
            put(layerstore::tar_link_header(path, entry, linked));
            return;
        }
        entry.kind = kind_of(archive_entry_filetype(from));
        if (path.is_root() && !entry.is_directory()) fail("the root is no directory");
        if (entry.kind == EntryKind::symlink) set_link_target(entry, archive_entry_symlink(from));
        if (entry.kind == EntryKind::character_device || entry.kind == EntryKind::block_device) {
            entry.device_major = static_cast<std::uint32_t>(archive_entry_rdevmajor(from));
            entry.device_minor = static_cast<std::uint32_t>(archive_entry_rdevminor(from));
        }
        if (entry.is_file()) entry.size = size_of(from);
        put(layerstore::tar_header(path, entry));
        if (entry.is_file()) copy_data(entry.size, archive_entry_sparse_count(from) > 0);
    }

    ImagePath path_of(std::string_view name, std::string_view role) const {
        auto path = name.size() <= limits_.max_name_bytes ? path_inside(name) : std::nullopt;
        if (!path) fail(fmt::format("a {} that leaves the archive or is too long", role));
        for (std::string_view part : path->components())
            if (part.starts_with(layerstore::whiteout_prefix))
                fail(fmt::format("a {} that layers keep for deletions (\"{}\")", role, layerstore::whiteout_prefix));
        return std::move(*path);
    }

    Entry attributes_of(archive_entry* from) const {
        Entry entry;
        auto owner = [&](std::int64_t id) {
            if (id < 0 || id > largest_id) fail("an owner that does not exist");
            return static_cast<std::uint32_t>(id);
        };
        entry.uid = owner(archive_entry_uid(from));
        entry.gid = owner(archive_entry_gid(from));
        entry.mode = static_cast<std::uint16_t>(archive_entry_perm(from) & 07777);
        std::int64_t seconds = archive_entry_mtime(from);
        std::int64_t nanoseconds = archive_entry_mtime_nsec(from);
        bool is_time =
            seconds >= -largest_time && seconds <= largest_time && nanoseconds >= 0 && nanoseconds < 1'000'000'000;
        if (!is_time) fail("a time that does not exist");
        entry.mtime = {seconds, static_cast<std::uint32_t>(nanoseconds)};
        entry.xattrs = xattrs_of(from);
        return entry;
    }

    // Some writers store each attribute twice, in two spellings.
    std::shared_ptr<const layerstore::Xattrs> xattrs_of(archive_entry* from) const {
        std::map<std::string, std::string> kept;
        const char* name = nullptr;
        const void* value = nullptr;
        std::size_t size = 0;
        archive_entry_xattr_reset(from);
        while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
            if (!layerstore::keeps_xattr(name)) continue;
            if (std::string_view(name).find('=') != std::string_view::npos) fail("an attribute that no tar can hold");
            kept[name] = std::string(static_cast<const char*>(value), size);
        }
        if (kept.empty()) return nullptr;
        return std::make_shared<layerstore::Xattrs>(kept.begin(), kept.end());
    }

    EntryKind kind_of(unsigned type) const {
        switch (type) {
            case AE_IFREG: return EntryKind::file;
            case AE_IFDIR: return EntryKind::directory;
            case AE_IFLNK: return EntryKind::symlink;
            case AE_IFIFO: return EntryKind::fifo;
            case AE_IFCHR: return EntryKind::character_device;
            case AE_IFBLK: return EntryKind::block_device;
            case AE_IFSOCK: fail("a socket, which no layer can hold");
            default: fail("a member of an unknown type");
        }
    }

    void set_link_target(Entry& entry, const char* target) const {
        entry.mode = 0777;
        entry.link_target = target != nullptr ? target : "";
        if (entry.link_target.empty()) fail("a symbolic link to nothing");
        if (entry.link_target.size() > limits_.max_name_bytes)
            fail(fmt::format("a link target longer than {} bytes", limits_.max_name_bytes));
    }

    std::uint64_t size_of(archive_entry* from) const {
        std::int64_t size = archive_entry_size(from);
        if (size < 0) fail("a negative size");
        auto bytes = static_cast<std::uint64_t>(size);
        if (bytes > limits_.max_file_bytes) fail(fmt::format("larger than {}", human_size(limits_.max_file_bytes)));
        return bytes;
    }

    void copy_data(std::uint64_t size, bool is_sparse) {
        // Holes cost nothing in the archive: what they unpack to is bounded as all the output of a decompressor is.
        done_.bytes += size;
        if (done_.bytes > DecompressionLimits().max_output)
            fail(fmt::format("unpacks to more than {}", human_size(DecompressionLimits().max_output)));
        std::uint64_t written = 0;
        for (;;) {
            const void* block = nullptr;
            std::size_t length = 0;
            la_int64_t offset = 0;
            if (handle_.checked(archive_read_data_block(handle_.get(), &block, &length, &offset)) == ARCHIVE_EOF) break;
            bool fits = offset >= 0 && static_cast<std::uint64_t>(offset) >= written &&
                        static_cast<std::uint64_t>(offset) <= size &&
                        length <= size - static_cast<std::uint64_t>(offset);
            if (!fits) fail("data that disagrees with the size");
            written += put_zeros(static_cast<std::uint64_t>(offset) - written);
            out_.write({static_cast<const std::byte*>(block), length});
            written += length;
        }
        if (written < size && !is_sparse) fail("less data than the size says");
        put_zeros(size - written);
        put_zeros(layerstore::tar_padding(size));
    }

    std::uint64_t put_zeros(std::uint64_t count) {
        static constexpr std::array<std::byte, 65536> zeros{};
        for (std::uint64_t left = count; left > 0;) {
            std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(left, zeros.size()));
            out_.write(std::span(zeros).first(part));
            left -= part;
        }
        return count;
    }

    void put(const std::string& header) { out_.write(as_bytes(header)); }

    [[noreturn]] void fail(std::string_view reason) const {
        std::string entry = current_.empty() ? std::string() : printable(current_) + ": ";
        throw Error(ErrorKind::invalid_input, fmt::format("{}: {}{}", what, entry, reason));
    }

    ArchiveHandle handle_;
    BufferedWriter out_;
    layerstore::TarLimits limits_;
    std::string current_;  ///< name of the entry in work, for errors
    Unpacked done_;
};

}  // namespace

std::optional<Unpacked> unpack_archive(ByteReader& archive, ByteWriter& out, const layerstore::TarLimits& limits) {
    auto tar = make_foreign_decompressor(archive, std::string(what));
    std::string first_block;
    try {
        first_block = read_ahead(*tar, layerstore::tar_block);
    } catch (const Error& error) {
        // Begins like gzip or zstd and does not even give a header: what it may have been meant for is unknown.
        if (error.kind() == ErrorKind::invalid_input) return std::nullopt;
        throw;
    }
    PrefixedReader whole(std::move(first_block), *tar);
    auto unpacked = Unpacker(whole, out, limits).run();
    // The checksum of a compressed stream stands behind the end of the archive.
    if (unpacked) drain(whole);
    return unpacked;
}

}  // namespace imgbuild::unpack
