// SPDX-License-Identifier: Apache-2.0
#pragma once

// Single looks at the file system, relative to an open directory and never through a link.

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild::builder {

/// The names of one directory in one block of memory, in the order of their bytes.
class Listing {
  public:
    struct Name {
        std::uint32_t at = 0;
        std::uint16_t size = 0;
        std::uint8_t type = 0;  ///< DT_REG, DT_DIR, …; DT_UNKNOWN where the file system does not say
    };

    /// Reads an open directory that was not read before, without "." and "..". Throws Error naming `path`.
    static Listing read(int directory, std::string_view path);

    void add(std::string_view name, std::uint8_t type);
    const std::vector<Name>& names() const noexcept { return names_; }
    /// Ends with a NUL behind the view.
    std::string_view text(const Name& name) const noexcept {
        return std::string_view(bytes_).substr(name.at, name.size);
    }

  private:
    std::string bytes_;
    std::vector<Name> names_;
};

/// lstat of `name`; empty where nothing stands there (any more). Throws Error naming `path`.
std::optional<struct stat> status_at(int directory, const char* name, std::string_view path);
/// The target of the link `name`; "" names an O_PATH descriptor itself. Throws Error naming `path`.
std::string link_target_at(int directory, const char* name, std::string_view path);

}  // namespace imgbuild::builder
