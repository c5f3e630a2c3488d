// SPDX-License-Identifier: Apache-2.0
#pragma once

// What --chmod does to the mode of one entry: an octal number, or the grammar of chmod(1) with a umask of 0.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace imgbuild::builder {

class ModeChange {
  public:
    /// Error{usage} for what is neither.
    static ModeChange parse(std::string_view text);

    /// The mode that an entry of mode `mode` gets; for all but symlinks, which have none.
    std::uint16_t apply(std::uint16_t mode, bool is_directory) const noexcept;
    /// The mode that everything gets, if it is one number.
    std::optional<std::uint16_t> octal() const noexcept { return octal_; }

  private:
    /// One operator of a clause with the permissions behind it.
    struct Step {
        std::uint16_t who = 0;  ///< the bits of those whom it is about
        char operation = '=';
        std::uint16_t bits = 0;         ///< of everybody; `who` picks
        bool sensible_execute = false;  ///< X
        std::uint8_t copies = 0;        ///< of the triads to copy: 4 user, 2 group, 1 others
    };
    void add_clause(std::string_view clause);

    std::optional<std::uint16_t> octal_;
    std::vector<Step> steps_;
};

}  // namespace imgbuild::builder
