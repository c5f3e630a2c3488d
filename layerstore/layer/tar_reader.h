// SPDX-License-Identifier: Apache-2.0
#pragma once

// A strict reader of tar: ustar, pax and GNU long names as layers of the world have them. What is ambiguous is
// refused, not guessed: fields that disagree, records that are malformed, sizes that are negative or huge,
// names with NUL. It allocates by what it read, never by what a header claims.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/input_limits.h"
#include "base/stream.h"
#include "layerstore/tree/entry.h"

namespace imgbuild::layerstore {

struct TarLimits {
    std::uint64_t max_entries = limits::archive_entries;
    std::size_t max_pax_bytes = limits::pax_bytes;    ///< one pax header
    std::size_t max_name_bytes = limits::path_bytes;  ///< paths and link targets
    std::uint64_t max_file_bytes = limits::archive_bytes;
};

struct TarEntry {
    std::string name;  ///< bytes as they stand in the archive
    Entry entry;       ///< content is zero: the reader of the data computes it
    bool is_hard_link = false;
    std::string link_name;  ///< of hard links, bytes as they stand
};

class TarReader {
  public:
    /// `source` gives the uncompressed archive and must outlive the reader; `what` names it in errors.
    TarReader(ByteReader& source, std::string what, TarLimits limits = {});

    /// The next entry, or empty at the end marker. Skips data that was not read. Error{invalid_input} names the
    /// archive, the entry and what is wrong; Error{unsupported} for sparse members in pax form.
    std::optional<TarEntry> next();
    /// Data of the current entry, holes of an old GNU sparse member as zero bytes; 0 at its end.
    std::size_t read(std::span<std::byte> buffer);

  private:
    using Records = std::map<std::string, std::string>;

    /// One run of data in a sparse file; what lies between is zero.
    struct Extent {
        std::uint64_t offset = 0;
        std::uint64_t size = 0;
        std::uint64_t end() const noexcept { return offset + size; }
    };

    bool read_block(std::string& block);
    std::size_t read_data(std::span<std::byte> buffer);
    void read_extents(const std::string& header, std::uint64_t size);
    std::string read_body(std::uint64_t size, std::size_t limit, std::string_view kind);
    void skip_data();
    void parse_pax(const std::string& body, Records& out) const;
    std::uint64_t number(const std::string& block, std::size_t offset, std::size_t width, std::string_view field) const;
    std::uint64_t member_size(const std::string& block, const Records& records) const;
    TarEntry make_entry(const std::string& block, const Records& records, std::uint64_t size) const;
    void set_owner_and_time(Entry& entry, const std::string& block, const Records& records) const;
    [[noreturn]] void fail(std::string_view reason) const;

    ByteReader& source_;
    std::string what_;
    TarLimits limits_;
    Records global_;
    std::string current_;  ///< name of the entry in work, for errors
    std::uint64_t entries_ = 0;
    std::uint64_t data_left_ = 0;
    std::size_t padding_left_ = 0;
    bool ended_ = false;
    std::vector<Extent> extents_;  ///< of a sparse file; empty for every other
    std::size_t extent_ = 0;       ///< the one that position_ is in or before
    std::uint64_t position_ = 0;   ///< bytes of the sparse file given out
    std::uint64_t real_size_ = 0;
};

}  // namespace imgbuild::layerstore
