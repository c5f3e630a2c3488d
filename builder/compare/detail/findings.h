// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the comparers of formats put what they find, and what they may still spend. Belongs to one comparison of two
// files, of one thread.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "builder/compare/file_comparison.h"

namespace imgbuild::builder::detail {

/// Two versions of the same bytes.
struct Pair {
    std::string_view before;
    std::string_view after;
};

class Findings {
  public:
    explicit Findings(const Surroundings& surroundings) : surroundings_(surroundings) {}

    /// Values may be any bytes; they are cut and made printable.
    void add(DifferenceKind kind, std::string_view where, std::string_view before, std::string_view after);
    /// How often add() was called.
    std::size_t count() const noexcept { return count_; }
    FileFindings take();

    const Surroundings& surroundings() const noexcept { return surroundings_; }

    /// Takes `bytes` from what may be unpacked; false when that is used up.
    bool spend(std::uint64_t bytes) noexcept;
    std::uint64_t budget() const noexcept { return budget_; }

    /// Everything added while it lives lies inside `where`, one level deeper.
    class Scope {
      public:
        Scope(Findings& findings, std::string_view where);
        ~Scope();
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

      private:
        Findings& findings_;
        std::size_t length_;
    };
    /// False where formats are nested too deeply to look further.
    bool may_go_deeper() const noexcept { return depth_ < max_nesting; }

  private:
    const Surroundings& surroundings_;
    std::vector<Finding> list_;
    std::map<DifferenceKind, std::size_t> kept_;  ///< findings of each kind in list_
    std::size_t count_ = 0;
    std::string prefix_;
    std::size_t depth_ = 0;
    std::uint64_t budget_ = max_unpacked;
};

/// Little endian; `offset` + `size` of at most 8 must lie inside `bytes`.
std::uint64_t read_little(std::string_view bytes, std::size_t offset, std::size_t size) noexcept;
std::uint64_t read_big(std::string_view bytes, std::size_t offset, std::size_t size) noexcept;
/// True if `size` bytes from `offset` on lie inside, whatever the numbers are.
bool holds(std::string_view bytes, std::uint64_t offset, std::uint64_t size) noexcept;
std::string hex_of(std::string_view bytes);

/// Looks into whatever the bytes are: a format of the table, text, or bytes. Adds nothing only where they are equal.
void compare_inside(const Pair& pair, Findings& findings);

/// Text, line by line.
void compare_text(const Pair& pair, Findings& findings);
/// A pair of short texts that belong together: a line, a value, a string in a program.
void compare_line(const Pair& pair, std::string_view where, Findings& findings);
/// Bytes of no known format.
void compare_binary(const Pair& pair, Findings& findings);
bool looks_like_text(std::string_view bytes) noexcept;

/// A comparer of a format: false, with nothing added, where the bytes are not sound enough to be compared that way.
using Comparer = bool (*)(const Pair& pair, Findings& findings);
bool compare_elf(const Pair& pair, Findings& findings);
bool compare_gzip(const Pair& pair, Findings& findings);
bool compare_zstd(const Pair& pair, Findings& findings);
bool compare_zip(const Pair& pair, Findings& findings);
bool compare_ar(const Pair& pair, Findings& findings);
bool compare_tar(const Pair& pair, Findings& findings);
bool compare_pyc(const Pair& pair, Findings& findings);
bool compare_json(const Pair& pair, Findings& findings);
bool compare_png(const Pair& pair, Findings& findings);
bool compare_pdf(const Pair& pair, Findings& findings);
bool compare_iso(const Pair& pair, Findings& findings);
/// /etc/shadow and its copy.
bool compare_shadow(const Pair& pair, Findings& findings);

/// One member of an archive, for compare_members().
struct Member {
    std::string name;
    std::int64_t time = 0;
    std::string attributes;  ///< owner and mode, for people
    std::string_view data;
};
struct MemberKinds {
    DifferenceKind time, attributes, order;
};
/// What archives have in common: names, their order, times, owners, and then the members by name.
void compare_members(const std::vector<Member>& before, const std::vector<Member>& after, const MemberKinds& kinds,
                     Findings& findings);

}  // namespace imgbuild::builder::detail
