// SPDX-License-Identifier: Apache-2.0
#pragma once

// index.json as a store wrote it itself, changed where it changes: with a thousand images, reading and writing every
// entry as JSON takes longer than a whole build (docs/decisions/0019-one-read-for-a-step.md).
//
//   index.json.sum   the SHA-256 of the index.json that the store wrote last, in hex, and a newline
//
// Only a text with that digest is taken apart here, because its lines are those of Index::encode(). All others (of other
// tools, damaged ones, those of a program that was killed before it wrote the digest) are read whole.

#include <string>
#include <string_view>
#include <vector>

#include "base/directory.h"
#include "layerstore/image/image.h"

namespace imgbuild::layerstore::detail {

inline constexpr const char* index_sum_name = "index.json.sum";

/// True if the store wrote `text`, and Index::encode() gave it.
bool is_own_index(const Directory& root, std::string_view text);
/// From now on, that is so of `text`.
void note_own_index(const Directory& root, std::string_view text);

class IndexText {
  public:
    /// `text`, which is_own_index(), and of its entries those that hold one of `words` anywhere: as strings of JSON are
    /// written, so a word in quotes is a whole string.
    IndexText(std::string text, const std::vector<std::string>& words);

    /// The index with these entries alone. Error{invalid_input} where they are not those of an index.
    Index selected(std::string_view what) const;
    /// The text with `after` in the place of these entries, of which `before` was made: each stays where it was, new ones
    /// come last.
    std::string with(const Index& before, const Index& after) const;
    const std::string& text() const noexcept { return text_; }

  private:
    struct Span {
        std::size_t begin, end;  ///< from the brace on, and behind its counterpart
        friend auto operator<=>(const Span&, const Span&) = default;
    };
    std::string_view view(const Span& span) const {
        return std::string_view(text_).substr(span.begin, span.end - span.begin);
    }
    void find_list();
    void find_entries(const std::string& word);

    std::string text_;
    Span list_{};                ///< what stands between the brackets
    std::vector<Span> entries_;  ///< in their order
};

}  // namespace imgbuild::layerstore::detail
