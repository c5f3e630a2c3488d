// SPDX-License-Identifier: Apache-2.0
#include "builder/context/detail/context_index.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/image_path.h"
#include "base/stream.h"

namespace imgbuild::builder {
namespace {

using layerstore::EntryKind;
using layerstore::FileTime;

constexpr std::string_view magic = "imgbuild context index 1\n";
constexpr std::uint64_t max_index_bytes = std::uint64_t{2} << 30;  // about 20 million files
constexpr std::size_t min_record_bytes = 6;
constexpr std::uint8_t settled_flag = 1;
constexpr std::uint32_t last_nanosecond = 999'999'999;

[[noreturn]] void refuse(const char* reason) {
    throw Error(ErrorKind::corrupt, std::string("context index: ") + reason);
}

void write_time(WireWriter& out, FileTime time) { out.signed_varint(time.seconds).varint(time.nanoseconds); }

FileTime read_time(WireReader& in) {
    std::int64_t seconds = in.signed_varint();
    std::uint64_t nanoseconds = in.varint();
    if (nanoseconds > last_nanosecond) refuse("a time that does not exist");
    return {seconds, static_cast<std::uint32_t>(nanoseconds)};
}

bool has_content(EntryKind kind) noexcept { return kind != EntryKind::directory && kind != EntryKind::fifo; }

std::shared_ptr<const layerstore::Xattrs> read_xattrs(WireReader& in) {
    std::size_t count = in.count(2);
    if (count == 0) return nullptr;
    auto xattrs = std::make_shared<layerstore::Xattrs>();
    for (std::size_t i = 0; i < count; ++i) {
        std::string name(in.text());
        xattrs->emplace_back(std::move(name), in.text());
    }
    return xattrs;
}

std::string read_whole(const Fd& fd, const std::string& what) {
    struct stat status {};
    if (::fstat(fd.get(), &status) < 0) throw_errno("read", what);
    auto size = static_cast<std::uint64_t>(status.st_size);
    if (!S_ISREG(status.st_mode) || size > max_index_bytes) refuse("not an index");
    std::string bytes(size, '\0');
    FdReader reader(fd.get(), what);
    std::size_t filled = 0;
    while (std::size_t count = reader.read(std::as_writable_bytes(std::span(bytes).subspan(filled)))) filled += count;
    bytes.resize(filled);
    return bytes;
}

}  // namespace

IndexName index_name(const Directory& root) {
    std::string link = fmt::format("/proc/self/fd/{}", root.fd());
    std::string path(ImagePath::max_bytes + 1, '\0');
    ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
    if (length > 0) {
        path.resize(static_cast<std::size_t>(length));
    } else {
        struct stat status {};
        if (::fstat(root.fd(), &status) < 0) throw_errno("stat", root.name());
        path = fmt::format("{}:{}", status.st_dev, status.st_ino);
    }
    return {path, Sha256::of(path).hex() + ".index"};
}

ContextIndex ContextIndex::load(const Directory& indexes, const IndexName& name) {
    try {
        auto fd = indexes.try_open(ImagePath().child(name.file), O_RDONLY | O_NONBLOCK, FollowLinks::never);
        if (!fd) return {};
        ContextIndex index;
        index.bytes_ = read_whole(*fd, indexes.name() + "/" + name.file);
        std::string_view rest = index.bytes_;
        if (!rest.starts_with(magic) || rest.size() < magic.size() + Digest::size) return {};
        rest.remove_prefix(magic.size());
        std::string_view checked = rest.substr(Digest::size);
        if (Sha256::of(checked).raw() != rest.substr(0, Digest::size)) return {};
        WireReader in(checked, "context index");
        if (in.text() != name.root) return {};
        std::size_t count = in.count(min_record_bytes);
        if (count >= nothing) return {};
        index.count_ = static_cast<std::uint32_t>(count);
        index.entries_at_ = index.bytes_.size() - in.left();
        return index;
    } catch (const Error& error) {
        constexpr std::array misses{ErrorKind::corrupt, ErrorKind::invalid_input, ErrorKind::denied};
        if (std::ranges::find(misses, error.kind()) == misses.end()) throw;
        return {};
    }
}

void ContextIndex::Cursor::next() {
    ++number_;
    if (at_end_ || left_ == 0) {
        at_end_ = true;
        return;
    }
    --left_;
    try {
        read();
    } catch (const Error&) {
        at_end_ = true;  // the checksum held, so this is our own mistake; it costs hashing and no more
    }
}

void ContextIndex::Cursor::read() {
    std::uint64_t shared = in_.varint();
    if (shared > path_.size()) refuse("a path is shorter than what it shares");
    std::string_view rest = in_.text();
    // Increasing: what follows the shared bytes sorts behind what the last path has there.
    if (number_ > 0 && compare_path_bytes(std::string_view(path_).substr(shared), rest) >= 0)
        refuse("paths are not in order");
    path_.resize(shared);
    path_ += rest;
    std::uint8_t kind = in_.byte();
    if (kind > static_cast<std::uint8_t>(EntryKind::block_device)) refuse("a kind that does not exist");
    record_ = {};
    record_.kind = static_cast<EntryKind>(kind);
    record_.mode = static_cast<std::uint16_t>(in_.varint() & 07777);
    record_.first_seen = read_time(in_);
    if (has_content(record_.kind)) record_.content = in_.digest();
    if (record_.kind != EntryKind::file) return;
    record_.settled = (in_.byte() & settled_flag) != 0;
    record_.identity.size = in_.varint();
    record_.identity.inode = in_.varint();
    record_.identity.device = in_.varint();
    record_.identity.mtime = read_time(in_);
    record_.identity.ctime = read_time(in_);
    record_.xattrs = read_xattrs(in_);
}

void IndexWriter::add(std::string_view path, const IndexRecord& record) {
    auto common = std::mismatch(path.begin(), path.end(), last_path_.begin(), last_path_.end()).first;
    auto shared = static_cast<std::size_t>(common - path.begin());
    entries_.varint(shared).text(path.substr(shared));
    last_path_.resize(shared);
    last_path_ += path.substr(shared);
    ++count_;
    entries_.byte(static_cast<std::uint8_t>(record.kind)).varint(record.mode);
    write_time(entries_, record.first_seen);
    if (has_content(record.kind)) entries_.digest(record.content);
    if (record.kind != EntryKind::file) return;
    const FileIdentity& identity = record.identity;
    entries_.byte(record.settled ? settled_flag : 0).varint(identity.size).varint(identity.inode);
    entries_.varint(identity.device);
    write_time(entries_, identity.mtime);
    write_time(entries_, identity.ctime);
    entries_.varint(record.xattrs ? record.xattrs->size() : 0);
    if (record.xattrs)
        for (const auto& [name, value] : *record.xattrs) entries_.text(name).text(value);
}

void IndexWriter::commit(const Directory& indexes, const IndexName& name) {
    WireWriter head;
    head.text(name.root).varint(count_);
    AtomicFile file(indexes, name.file, Durability::none);
    file.write(magic);
    file.write(Sha256().update(head.bytes()).update(entries_.bytes()).finish().raw());
    file.write(head.bytes());
    file.write(entries_.bytes());
    file.commit();
}

}  // namespace imgbuild::builder
