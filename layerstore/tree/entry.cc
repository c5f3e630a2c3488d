// SPDX-License-Identifier: Apache-2.0
#include "layerstore/tree/entry.h"

#include "base/error.h"

namespace imgbuild::layerstore {
namespace {

constexpr std::uint8_t last_kind = static_cast<std::uint8_t>(EntryKind::block_device);
constexpr std::uint64_t mode_mask = 07777;

[[noreturn]] void refuse(const char* reason) { throw Error(ErrorKind::corrupt, std::string("entry: ") + reason); }

std::uint32_t decode_u32(WireReader& in) {
    std::uint64_t value = in.varint();
    if (value > UINT32_MAX) refuse("a number exceeds 32 bits");
    return static_cast<std::uint32_t>(value);
}

std::shared_ptr<const Xattrs> decode_xattrs(WireReader& in) {
    std::size_t count = in.count(2);
    if (count == 0) return nullptr;
    auto xattrs = std::make_shared<Xattrs>();
    for (std::size_t i = 0; i < count; ++i) {
        std::string name(in.text());
        std::string value(in.text());
        if (!xattrs->empty() && xattrs->back().first >= name) refuse("xattrs are not in order");
        xattrs->emplace_back(std::move(name), std::move(value));
    }
    return xattrs;
}

}  // namespace

Entry implied_directory() {
    Entry entry;
    entry.kind = EntryKind::directory;
    entry.mode = 0755;
    entry.mtime = default_file_time;
    return entry;
}

bool keeps_xattr(std::string_view name) noexcept {
    if (name == "security.capability") return true;
    return name.starts_with("user.") && !name.starts_with("user.overlay.") && !name.starts_with("user.imgbuild.") &&
           name != "user.rootlesscontainers";
}

bool same_xattrs(const std::shared_ptr<const Xattrs>& a, const std::shared_ptr<const Xattrs>& b) noexcept {
    static const Xattrs none;
    return a == b || (a ? *a : none) == (b ? *b : none);
}

bool same_but_time(const Entry& a, const Entry& b) noexcept {
    return a.kind == b.kind && a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.size == b.size &&
           a.content == b.content && a.link_target == b.link_target && a.device_major == b.device_major &&
           a.device_minor == b.device_minor && same_xattrs(a.xattrs, b.xattrs);
}

bool operator==(const Entry& a, const Entry& b) noexcept { return a.mtime == b.mtime && same_but_time(a, b); }

void encode_entry(WireWriter& out, const Entry& entry, bool with_time) {
    out.byte(static_cast<std::uint8_t>(entry.kind)).varint(entry.mode).varint(entry.uid).varint(entry.gid);
    if (entry.is_file()) out.varint(entry.size).digest(entry.content);
    if (entry.kind == EntryKind::symlink) out.text(entry.link_target);
    if (is_device(entry.kind)) out.varint(entry.device_major).varint(entry.device_minor);
    out.varint(entry.xattrs ? entry.xattrs->size() : 0);
    if (entry.xattrs)
        for (const auto& [name, value] : *entry.xattrs) out.text(name).text(value);
    if (with_time) encode_time(out, entry.mtime);
}

void encode_time(WireWriter& out, FileTime time) { out.signed_varint(time.seconds).varint(time.nanoseconds); }

Entry decode_entry(WireReader& in) {
    Entry entry;
    std::uint8_t kind = in.byte();
    if (kind > last_kind) refuse("a kind that does not exist");
    entry.kind = static_cast<EntryKind>(kind);
    std::uint64_t mode = in.varint();
    if (mode > mode_mask) refuse("a mode that does not exist");
    entry.mode = static_cast<std::uint16_t>(mode);
    entry.uid = decode_u32(in);
    entry.gid = decode_u32(in);
    if (entry.is_file()) {
        entry.size = in.varint();
        entry.content = in.digest();
    }
    if (entry.kind == EntryKind::symlink) entry.link_target = in.text();
    if (is_device(entry.kind)) {
        entry.device_major = decode_u32(in);
        entry.device_minor = decode_u32(in);
    }
    entry.xattrs = decode_xattrs(in);
    entry.mtime.seconds = in.signed_varint();
    entry.mtime.nanoseconds = decode_u32(in);
    if (entry.mtime.nanoseconds > 999'999'999) refuse("a time that does not exist");
    return entry;
}

}  // namespace imgbuild::layerstore
