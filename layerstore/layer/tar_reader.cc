// SPDX-License-Identifier: Apache-2.0
#include "layerstore/layer/tar_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/layer/tar_writer.h"

namespace imgbuild::layerstore {
namespace {

constexpr std::uint64_t largest_id = UINT32_MAX - 1;  // the last value is "no owner" to the kernel

std::string field_text(const std::string& block, std::size_t offset, std::size_t width) {
    std::string_view field = std::string_view(block).substr(offset, width);
    return std::string(field.substr(0, field.find('\0')));
}

// The sum with the checksum's own field as blanks; writers of old summed signed bytes.
bool checksum_matches(const std::string& block, std::uint64_t expected) {
    std::int64_t plain = 0;
    std::int64_t with_sign = 0;
    for (std::size_t i = 0; i < block.size(); ++i) {
        char c = i >= 148 && i < 156 ? ' ' : block[i];
        plain += static_cast<unsigned char>(c);
        with_sign += static_cast<signed char>(c);
    }
    return static_cast<std::int64_t>(expected) == plain || static_cast<std::int64_t>(expected) == with_sign;
}

std::optional<FileTime> parse_pax_time(std::string_view text) {
    bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    std::size_t dot = std::min(text.find('.'), text.size());
    auto whole = parse_unsigned(text.substr(0, dot));
    std::string digits(text.substr(std::min(dot + 1, text.size())));
    bool bad_fraction = digits.find_first_not_of("0123456789") != std::string::npos || text.ends_with('.');
    if (!whole || *whole > INT64_MAX / 2 || bad_fraction) return std::nullopt;
    digits.resize(9, '0');
    auto fraction = static_cast<std::uint32_t>(*parse_unsigned(digits));
    auto seconds = static_cast<std::int64_t>(*whole);
    if (!negative) return FileTime{seconds, fraction};
    return fraction == 0 ? FileTime{-seconds, 0} : FileTime{-seconds - 1, 1'000'000'000 - fraction};
}

bool is_gnu_sparse(const std::map<std::string, std::string>& records) {
    return std::ranges::any_of(records, [](const auto& record) { return record.first.starts_with("GNU.sparse."); });
}

}  // namespace

TarReader::TarReader(ByteReader& source, std::string what, TarLimits limits)
    : source_(source), what_(std::move(what)), limits_(limits) {}

void TarReader::fail(std::string_view reason) const {
    std::string entry = current_.empty() ? std::string() : printable(current_) + ": ";
    throw Error(ErrorKind::invalid_input, fmt::format("{}: {}{}", what_, entry, reason));
}

bool TarReader::read_block(std::string& block) {
    block.assign(tar_block, '\0');
    std::size_t filled = 0;
    while (filled < tar_block) {
        std::size_t count = source_.read(std::as_writable_bytes(std::span(block).subspan(filled)));
        if (count == 0 && filled == 0) return false;
        if (count == 0) fail("the archive ends inside a header");
        filled += count;
    }
    return true;
}

std::size_t TarReader::read(std::span<std::byte> buffer) {
    if (extents_.empty()) return read_data(buffer);
    while (extent_ < extents_.size() && position_ == extents_[extent_].end()) ++extent_;
    bool in_hole = extent_ == extents_.size() || position_ < extents_[extent_].offset;
    std::uint64_t until = extent_ == extents_.size() ? real_size_
                          : in_hole                  ? extents_[extent_].offset
                                                     : extents_[extent_].end();
    std::span<std::byte> part =
        buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), until - position_)));
    if (in_hole) std::ranges::fill(part, std::byte{0});
    std::size_t count = in_hole ? part.size() : read_data(part);
    position_ += count;
    return count;
}

std::size_t TarReader::read_data(std::span<std::byte> buffer) {
    std::uint64_t ask = std::min<std::uint64_t>(buffer.size(), data_left_);
    if (ask == 0) return 0;
    std::size_t count = source_.read(buffer.first(static_cast<std::size_t>(ask)));
    if (count == 0) fail(fmt::format("the archive ends {} bytes before the end of the file", data_left_));
    data_left_ -= count;
    return count;
}

void TarReader::skip_data() {
    if (data_left_ == 0 && padding_left_ == 0) return;
    StreamBlock sink;
    while (data_left_ > 0) read_data(sink.bytes());
    while (padding_left_ > 0) {
        std::size_t count = source_.read(sink.bytes().first(padding_left_));
        // What pads the last file of an archive may be missing: tools in Go write (umoci insert) and read it so.
        if (count == 0) padding_left_ = 0;
        padding_left_ -= count;
    }
}

std::string TarReader::read_body(std::uint64_t size, std::size_t limit, std::string_view kind) {
    if (size > limit) fail(fmt::format("a {} of more than {}", kind, human_size(limit)));
    data_left_ = size;
    padding_left_ = tar_padding(size);
    std::string body(static_cast<std::size_t>(size), '\0');
    for (std::size_t filled = 0; filled < body.size();)
        filled += read_data(std::as_writable_bytes(std::span(body).subspan(filled)));
    skip_data();
    return body;
}

std::uint64_t TarReader::number(const std::string& block, std::size_t offset, std::size_t width,
                                std::string_view field) const {
    std::string_view bytes = std::string_view(block).substr(offset, width);
    auto refuse = [&] { fail(fmt::format("the field \"{}\" is not a number", field)); };
    std::uint64_t value = 0;
    if (static_cast<unsigned char>(bytes[0]) >= 0x80) {  // GNU base-256; the second bit is the sign
        if (static_cast<unsigned char>(bytes[0]) != 0x80)
            fail(fmt::format("the field \"{}\" is negative or too large", field));
        for (char c : bytes.substr(1)) {
            if (value >> 56) fail(fmt::format("the field \"{}\" is too large", field));
            value = value << 8 | static_cast<unsigned char>(c);
        }
        return value;
    }
    std::size_t begin = std::min(bytes.find_first_not_of(' '), bytes.size());
    std::size_t end = std::min(bytes.find_first_of(std::string_view(" \0", 2), begin), bytes.size());
    bool clean_tail = bytes.substr(end).find_first_not_of(std::string_view(" \0", 2)) == std::string_view::npos;
    if (!clean_tail) refuse();
    for (char c : bytes.substr(begin, end - begin)) {
        if (c < '0' || c > '7') refuse();
        value = value << 3 | static_cast<unsigned>(c - '0');
    }
    return value;
}

void TarReader::parse_pax(const std::string& body, Records& out) const {
    std::string_view left = body;
    Records seen;
    while (!left.empty()) {
        std::size_t blank = left.find(' ');
        auto length = blank == std::string_view::npos ? std::nullopt : parse_unsigned(left.substr(0, blank));
        if (!length || *length > left.size() || *length < blank + 4 || left[*length - 1] != '\n')
            fail("a pax record that is malformed");
        std::string_view record = left.substr(blank + 1, *length - blank - 2);
        std::size_t equals = record.find('=');
        if (equals == 0 || equals == std::string_view::npos) fail("a pax record without a key");
        std::string key(record.substr(0, equals));
        std::string value(record.substr(equals + 1));
        bool may_hold_nul = key.starts_with("SCHILY.xattr.") || key.starts_with("LIBARCHIVE.xattr.");
        if (!may_hold_nul && value.find('\0') != std::string::npos)
            fail(fmt::format("the pax record \"{}\" holds a NUL", printable(key)));
        if (!seen.try_emplace(key, value).second)
            fail(fmt::format("the pax record \"{}\" stands twice", printable(key)));
        left.remove_prefix(static_cast<std::size_t>(*length));
    }
    for (auto& [key, value] : seen) out[key] = std::move(value);
}

std::uint64_t TarReader::member_size(const std::string& block, const Records& records) const {
    std::uint64_t size = number(block, 124, 12, "size");
    auto record = records.find("size");
    if (record != records.end()) {
        auto value = parse_unsigned(record->second);
        if (!value) fail("the pax record \"size\" is not a number");
        // POSIX: the record counts, whatever the field says; every reader of ours comes through here.
        size = *value;
    }
    if (size > limits_.max_file_bytes) fail(fmt::format("larger than {}", human_size(limits_.max_file_bytes)));
    return size;
}

void TarReader::set_owner_and_time(Entry& entry, const std::string& block, const Records& records) const {
    auto owner = [&](const char* key, std::size_t offset) {
        auto record = records.find(key);
        auto value =
            record == records.end() ? std::optional(number(block, offset, 8, key)) : parse_unsigned(record->second);
        if (!value || *value > largest_id) fail(fmt::format("{} is not an owner", key));
        return static_cast<std::uint32_t>(*value);
    };
    entry.uid = owner("uid", 108);
    entry.gid = owner("gid", 116);
    entry.mode = static_cast<std::uint16_t>(number(block, 100, 8, "mode") & 07777);
    if (auto record = records.find("mtime"); record != records.end()) {
        auto time = parse_pax_time(record->second);
        if (!time) fail("the pax record \"mtime\" is not a time");
        entry.mtime = *time;
    } else {
        entry.mtime = {static_cast<std::int64_t>(std::min<std::uint64_t>(number(block, 136, 12, "mtime"), INT64_MAX)),
                       0};
    }
    auto xattrs = std::make_shared<Xattrs>();
    constexpr std::string_view prefix = "SCHILY.xattr.";
    if (records.contains(std::string(prefix))) fail("an extended attribute without a name");
    for (const auto& [key, value] : records)
        if (key.starts_with(prefix) && keeps_xattr(std::string_view(key).substr(prefix.size())))
            xattrs->emplace_back(key.substr(prefix.size()), value);
    if (!xattrs->empty()) entry.xattrs = std::move(xattrs);
}

// The map of an old GNU sparse member: four extents in the header, 21 in each block that follows.
void TarReader::read_extents(const std::string& header, std::uint64_t size) {
    constexpr std::size_t extent_bytes = 24;
    real_size_ = number(header, 483, 12, "realsize");
    if (real_size_ > limits_.max_file_bytes) fail(fmt::format("larger than {}", human_size(limits_.max_file_bytes)));
    position_ = extent_ = 0;
    std::uint64_t held = 0;
    auto take = [&](const std::string& block, std::size_t offset, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i, offset += extent_bytes) {
            if (block[offset] == '\0') return;
            Extent extent{number(block, offset, 12, "offset"), number(block, offset + 12, 12, "numbytes")};
            std::uint64_t previous_end = extents_.empty() ? 0 : extents_.back().end();
            bool fits = extent.offset >= previous_end && extent.offset <= real_size_ &&
                        extent.size <= real_size_ - extent.offset;
            if (!fits || extents_.size() == limits::sparse_extents) fail("a map of holes that contradicts itself");
            held += extent.size;
            extents_.push_back(extent);
        }
    };
    take(header, 386, 4);
    bool has_more = header[482] != '\0';
    for (std::string block; has_more; has_more = block[504] != '\0') {
        if (!read_block(block)) fail("the archive ends inside a map of holes");
        take(block, 0, 21);
    }
    if (held != size) fail("a map of holes that disagrees with the size");
    if (extents_.empty()) extents_.push_back({real_size_, 0});
}

TarEntry TarReader::make_entry(const std::string& block, const Records& records, std::uint64_t size) const {
    auto text = [&](const char* key, std::string field) {
        auto record = records.find(key);
        std::string value = record == records.end() ? std::move(field) : record->second;
        // A marker of a deletion is longer than what it marks.
        const std::size_t marker = whiteout_target(value) ? whiteout_prefix.size() : 0;
        if (value.size() > limits_.max_name_bytes + marker)
            fail(fmt::format("a name longer than {} bytes", limits_.max_name_bytes));
        return value;
    };
    bool is_ustar = std::string_view(block).substr(257, 6) == std::string_view("ustar\0", 6);
    std::string prefix = is_ustar ? field_text(block, 345, 155) : std::string();
    std::string short_name = field_text(block, 0, 100);
    TarEntry found;
    found.name = text("path", prefix.empty() ? short_name : prefix + "/" + short_name);
    std::string link = text("linkpath", field_text(block, 157, 100));
    set_owner_and_time(found.entry, block, records);
    bool has_data = false;
    switch (char type = block[156]) {
        case '\0':
        case '0':
        case '7':
        case 'S':
            found.entry.kind = found.name.ends_with('/') ? EntryKind::directory : EntryKind::file;
            has_data = found.entry.is_file();
            break;
        case '1':
            found.is_hard_link = true;
            found.link_name = std::move(link);
            break;
        case '2':
            found.entry.kind = EntryKind::symlink;
            found.entry.mode = 0777;
            found.entry.link_target = std::move(link);
            if (found.entry.link_target.empty()) fail("a symbolic link to nothing");
            break;
        case '3':
        case '4':
            found.entry.kind = type == '3' ? EntryKind::character_device : EntryKind::block_device;
            found.entry.device_major = static_cast<std::uint32_t>(number(block, 329, 8, "devmajor"));
            found.entry.device_minor = static_cast<std::uint32_t>(number(block, 337, 8, "devminor"));
            break;
        case '5': found.entry.kind = EntryKind::directory; break;
        case '6': found.entry.kind = EntryKind::fifo; break;
        default: fail(fmt::format("a member of the unknown type \"{}\"", printable(std::string_view(&type, 1))));
    }
    if (size > 0 && !has_data) fail("data behind what holds none");
    found.entry.size = has_data ? size : 0;
    return found;
}

std::optional<TarEntry> TarReader::next() {
    if (ended_) return std::nullopt;
    skip_data();
    extents_.clear();
    current_.clear();
    Records records = global_;
    std::string block;
    for (;;) {
        if (!read_block(block) || block.find_first_not_of('\0') == std::string::npos) {
            if (records != global_) fail("the archive ends behind an extended header");
            ended_ = true;
            return std::nullopt;
        }
        current_ = field_text(block, 0, 100);
        if (++entries_ > limits_.max_entries) fail(fmt::format("more than {} entries", limits_.max_entries));
        if (!checksum_matches(block, number(block, 148, 8, "checksum"))) fail("a header whose checksum is wrong");
        char type = block[156];
        if (type == 'x' || type == 'g') {
            std::string body = read_body(number(block, 124, 12, "size"), limits_.max_pax_bytes, "pax header");
            parse_pax(body, type == 'g' ? global_ : records);
            if (type == 'g') records.insert(global_.begin(), global_.end());
        } else if (type == 'L' || type == 'K') {
            std::string body = read_body(number(block, 124, 12, "size"), limits_.max_name_bytes + 1, "long name");
            const char* key = type == 'L' ? "path" : "linkpath";
            if (!body.empty() && body.back() == '\0') body.pop_back();
            if (body.find('\0') != std::string::npos) fail("a long name that holds a NUL");
            if (!records.try_emplace(key, body).second) fail("two long names for one entry");
        } else {
            break;
        }
    }
    if (is_gnu_sparse(records))
        throw Error(ErrorKind::unsupported,
                    fmt::format("{}: {}: a sparse member in pax form", what_, printable(current_)),
                    "pack the archive again without --sparse");
    std::uint64_t size = member_size(block, records);
    TarEntry found = make_entry(block, records, size);
    current_ = found.name;
    if (block[156] == 'S') {
        read_extents(block, size);
        found.entry.size = real_size_;
    }
    data_left_ = size;
    padding_left_ = tar_padding(size);
    return found;
}

}  // namespace imgbuild::layerstore
