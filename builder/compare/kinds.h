// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kinds of difference between two builds of one thing: what each is called in reports, what it means, and what
// usually helps. One table; docs/reproducible.md prints it, and whatever speaks of a cause takes its name from here.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace imgbuild::builder {

enum class DifferenceKind : std::uint8_t {
    // Of an entry, not of its bytes.
    presence,
    type,
    mode,
    owner,
    file_time,
    link_target,
    device,
    attributes,
    hard_links,
    // Of any content.
    time,
    order,
    word_order,
    path,
    random,
    number,
    host_name,
    processors,
    size,
    content,
    // Inside formats.
    elf_build_id,
    elf_comment,
    elf_debug,
    gzip_time,
    gzip_name,
    compression,
    zip_time,
    zip_order,
    zip_attributes,
    ar_time,
    ar_owner,
    ar_order,
    tar_time,
    tar_owner,
    tar_order,
    pyc_time,
    json_order,
    json_value,
    png_time,
    pdf_date,
    pdf_id,
    iso_time,
    // Files that are known by their name.
    log,
    linker_cache,
    machine_id,
    shadow_day,
    font_cache,
    generated_key,
    random_seed,
    package_cache,
};

struct KindInfo {
    DifferenceKind kind;
    std::string_view name;    ///< "elf-build-id": of reports, and for scripts
    std::string_view what;    ///< what differs, for people
    std::string_view remedy;  ///< the usual one
};

/// All of them, in the order of the enumeration.
std::span<const KindInfo> all_kinds() noexcept;
const KindInfo& about(DifferenceKind kind) noexcept;

/// The kind of a file that differs whenever it is made anew, by its path ("/var/log/dpkg.log"); empty for all others.
std::optional<DifferenceKind> kind_of_path(std::string_view path) noexcept;

}  // namespace imgbuild::builder
