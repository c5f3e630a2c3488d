// SPDX-License-Identifier: Apache-2.0
// gzip (RFC 1952) and zstd (RFC 8878): what stands in the header, then what is inside.
#include <fmt/format.h>

#include <optional>

#include "base/compression.h"
#include "base/error.h"
#include "base/text.h"
#include "builder/compare/detail/findings.h"
#include "builder/compare/detail/unpacking.h"

namespace imgbuild::builder::detail {
namespace {

struct GzipHeader {
    std::uint32_t time = 0;
    std::string_view name;
    std::size_t end = 0;
};

std::optional<GzipHeader> gzip_header(std::string_view bytes) {
    constexpr std::size_t fixed = 10;
    constexpr unsigned has_extra = 4, has_name = 8;
    if (bytes.size() < fixed) return std::nullopt;
    GzipHeader header{static_cast<std::uint32_t>(read_little(bytes, 4, 4)), {}, fixed};
    const auto flags = static_cast<unsigned char>(bytes[3]);
    if (flags & has_extra) {
        if (!holds(bytes, fixed, 2)) return std::nullopt;
        header.end += 2 + read_little(bytes, fixed, 2);
    }
    if (flags & has_name) {
        const std::size_t end = header.end > bytes.size() ? std::string_view::npos : bytes.find('\0', header.end);
        if (end == std::string_view::npos) return std::nullopt;
        header.name = bytes.substr(header.end, end - header.end);
        header.end = end + 1;
    }
    return header;
}

std::string header_time(std::uint32_t time) { return time == 0 ? "none" : rfc3339(time); }

bool compare_unpacked(const Pair& pair, Compression compression, Findings& findings) {
    const std::optional<std::string> before = unpack(pair.before, compression, findings);
    const std::optional<std::string> after = unpack(pair.after, compression, findings);
    if (!before || !after) return false;
    if (*before == *after) return true;
    const Findings::Scope scope(findings, compression == Compression::gzip ? "inside gzip" : "inside zstd");
    compare_inside({*before, *after}, findings);
    return true;
}

}  // namespace

std::optional<std::string> unpack(std::string_view packed, Compression compression, Findings& findings) {
    try {
        MemoryReader source(packed);
        DecompressionLimits limits;
        limits.max_output = findings.budget();
        const auto reader = make_decompressor(source, compression, "file", limits);
        std::string bytes = read_all(*reader, findings.budget(), "file");
        return findings.spend(bytes.size()) ? std::optional(std::move(bytes)) : std::nullopt;
    } catch (const Error&) {
        // Damaged, or a bomb: it is compared as the bytes that it is.
        return std::nullopt;
    }
}

bool compare_gzip(const Pair& pair, Findings& findings) {
    const std::optional<GzipHeader> before = gzip_header(pair.before);
    const std::optional<GzipHeader> after = gzip_header(pair.after);
    if (!before || !after) return false;
    const std::size_t count = findings.count();
    if (before->time != after->time)
        findings.add(DifferenceKind::gzip_time, "gzip header", header_time(before->time), header_time(after->time));
    if (before->name != after->name) findings.add(DifferenceKind::gzip_name, "gzip header", before->name, after->name);
    const bool has_header_finding = findings.count() > count;
    if (!compare_unpacked(pair, Compression::gzip, findings)) return has_header_finding;
    if (holds(pair.before, before->end, 0) && holds(pair.after, after->end, 0) &&
        pair.before.substr(before->end) != pair.after.substr(after->end) &&
        findings.count() == count + (has_header_finding ? 1 : 0))
        findings.add(DifferenceKind::compression, "gzip", fmt::format("{} bytes", pair.before.size()),
                     fmt::format("{} bytes", pair.after.size()));
    return true;
}

bool compare_zstd(const Pair& pair, Findings& findings) {
    const std::size_t count = findings.count();
    if (!compare_unpacked(pair, Compression::zstd, findings)) return false;
    if (findings.count() == count)
        findings.add(DifferenceKind::compression, "zstd", fmt::format("{} bytes", pair.before.size()),
                     fmt::format("{} bytes", pair.after.size()));
    return true;
}

}  // namespace imgbuild::builder::detail
