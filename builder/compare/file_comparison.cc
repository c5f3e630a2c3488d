// SPDX-License-Identifier: Apache-2.0
#include "builder/compare/file_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "builder/compare/detail/findings.h"

namespace imgbuild::builder {
namespace {

using detail::Findings;
using detail::Pair;

constexpr std::size_t window_lead = 256;         // bytes before the first difference
constexpr std::size_t window_bytes = 64 * 1024;  // in all

bool has_tar_magic(std::string_view bytes) { return bytes.size() >= 512 && bytes.substr(257, 5) == "ustar"; }
bool has_iso_magic(std::string_view bytes) { return bytes.size() >= 0x8800 && bytes.substr(0x8001, 5) == "CD001"; }
bool has_pyc_magic(std::string_view bytes) { return bytes.size() >= 16 && bytes.substr(2, 2) == "\r\n"; }
bool has_json_look(std::string_view bytes) {
    const std::size_t first = bytes.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && (bytes[first] == '{' || bytes[first] == '[');
}

struct Format {
    std::string_view magic;               // at the beginning
    bool (*has_magic)(std::string_view);  // where that does not suffice
    detail::Comparer compare;
};

constexpr std::array known_formats{
    Format{"\x7f"
           "ELF",
           nullptr, detail::compare_elf},
    Format{"\x1f\x8b\x08", nullptr, detail::compare_gzip},
    Format{"\x28\xb5\x2f\xfd", nullptr, detail::compare_zstd},
    Format{"PK\x03\x04", nullptr, detail::compare_zip},
    Format{"!<arch>\n", nullptr, detail::compare_ar},
    Format{"\x89PNG\r\n\x1a\n", nullptr, detail::compare_png},
    Format{"%PDF-", nullptr, detail::compare_pdf},
    Format{"", has_tar_magic, detail::compare_tar},
    Format{"", has_iso_magic, detail::compare_iso},
    Format{"", has_pyc_magic, detail::compare_pyc},
    Format{"", has_json_look, detail::compare_json},
};

bool is_of(const Format& format, std::string_view bytes) {
    return bytes.starts_with(format.magic) && (!format.has_magic || format.has_magic(bytes));
}

// Not for reports, which go to places where the image may not.
bool is_secret(DifferenceKind kind) noexcept {
    return kind == DifferenceKind::generated_key || kind == DifferenceKind::random_seed;
}

// A file that is known by its name: the name says why, what was `found` in its bytes says where and with which values.
void name_by_path(DifferenceKind kind, const FileFindings& found, Findings& findings) {
    if (found.list.empty()) return;
    const Finding& first = found.list.front();
    if (is_secret(kind)) return findings.add(kind, first.where, "not shown", "not shown");
    // Another field of /etc/shadow is no matter of days.
    findings.add(kind == DifferenceKind::shadow_day ? first.kind : kind, first.where, first.before, first.after);
}

void compare_known(DifferenceKind kind, const Pair& pair, Findings& findings) {
    if (kind == DifferenceKind::shadow_day && detail::compare_shadow(pair, findings)) return;
    Findings inside(findings.surroundings());
    detail::compare_inside(pair, inside);
    name_by_path(kind, inside.take(), findings);
}

// Reads until `wanted` bytes are there or nothing more comes.
std::size_t fill(ByteReader& reader, std::span<std::byte> wanted) {
    std::size_t count = 0;
    while (count < wanted.size()) {
        const std::size_t got = reader.read(wanted.subspan(count));
        if (got == 0) break;
        count += got;
    }
    return count;
}

/// Two streams too long to be held.
class LongComparison {
  public:
    LongComparison(const FileVersion& before, const FileVersion& after)
        : sizes_{before.size, after.size}, readers_{before.open(), after.open()} {}

    void run(Findings& findings) {
        while (step()) {
        }
        if (differing_ == 0) {
            if (sizes_[0] != sizes_[1])
                findings.add(DifferenceKind::size, "", fmt::format("{} bytes", sizes_[0]),
                             fmt::format("{} bytes", sizes_[1]));
            return;
        }
        const std::string where = fmt::format("offset {:#x}", first_);
        {
            const Findings::Scope scope(findings, fmt::format("around offset {:#x}", first_));
            const Pair pair{windows_[0], windows_[1]};
            if (detail::looks_like_text(pair.before) && detail::looks_like_text(pair.after))
                detail::compare_text(pair, findings);
            else
                detail::compare_binary(pair, findings);
        }
        findings.add(DifferenceKind::content, where, fmt::format("{} bytes, {} of them differ", sizes_[0], differing_),
                     fmt::format("{} bytes", sizes_[1]));
    }

  private:
    bool step() {
        const std::array counts{fill(*readers_[0], blocks_[0].bytes()), fill(*readers_[1], blocks_[1].bytes())};
        const std::array texts{as_text(blocks_[0].bytes().first(counts[0])),
                               as_text(blocks_[1].bytes().first(counts[1]))};
        const std::size_t common = std::min(counts[0], counts[1]);
        if (texts[0].substr(0, common) != texts[1].substr(0, common)) {
            for (std::size_t i = 0; i < common; ++i) {
                if (texts[0][i] == texts[1][i]) continue;
                if (differing_++ == 0) open_window(texts, i);
            }
        }
        offset_ += common;
        return common == stream_block;
    }

    void open_window(const std::array<std::string_view, 2>& texts, std::size_t at) {
        first_ = offset_ + at;
        const std::size_t begin = at - std::min(at, window_lead);
        for (std::size_t i = 0; i < 2; ++i) windows_[i] = texts[i].substr(begin, window_bytes);
    }

    std::array<std::uint64_t, 2> sizes_;
    std::array<std::unique_ptr<ByteReader>, 2> readers_;
    std::array<StreamBlock, 2> blocks_;
    std::array<std::string, 2> windows_;
    std::uint64_t offset_ = 0;
    std::uint64_t first_ = 0;
    std::uint64_t differing_ = 0;
};

}  // namespace

FileFindings compare_file_bytes(std::string_view path, std::string_view before, std::string_view after,
                                const Surroundings& surroundings) {
    Findings findings(surroundings);
    const Pair pair{before, after};
    if (const std::optional<DifferenceKind> kind = kind_of_path(path))
        compare_known(*kind, pair, findings);
    else
        detail::compare_inside(pair, findings);
    return findings.take();
}

FileFindings compare_files(std::string_view path, const FileVersion& before, const FileVersion& after,
                           const Surroundings& surroundings) {
    if (std::max(before.size, after.size) <= max_inspected) {
        const auto first = before.open();
        const auto second = after.open();
        return compare_file_bytes(path, read_all(*first, max_inspected, path), read_all(*second, max_inspected, path),
                                  surroundings);
    }
    Findings findings(surroundings);
    LongComparison(before, after).run(findings);
    const std::optional<DifferenceKind> kind = kind_of_path(path);
    if (!kind) return findings.take();
    Findings named(surroundings);
    name_by_path(*kind, findings.take(), named);
    return named.take();
}

}  // namespace imgbuild::builder

namespace imgbuild::builder::detail {

void compare_inside(const Pair& pair, Findings& findings) {
    if (pair.before == pair.after) return;
    const std::size_t count = findings.count();
    if (findings.may_go_deeper())
        for (const Format& format : known_formats)
            if (is_of(format, pair.before) && is_of(format, pair.after) && format.compare(pair, findings) &&
                findings.count() > count)
                return;
    if (looks_like_text(pair.before) && looks_like_text(pair.after))
        compare_text(pair, findings);
    else
        compare_binary(pair, findings);
}

}  // namespace imgbuild::builder::detail
