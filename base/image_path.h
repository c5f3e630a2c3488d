// SPDX-License-Identifier: Apache-2.0
#pragma once

// A path inside an image or a context: bytes, absolute, canonical. It is never handed to the kernel as it
// is; Directory opens it relative to a held descriptor.
//
// Invariants: the root is ""; every other path is "/" and components joined by "/"; a component is not
// empty, not "." and not "..", holds neither "/" nor NUL, and is at most 255 bytes; the whole is at most
// 4,096 bytes. Order: '/' sorts before every other byte, so that a directory's content follows it at once.

#include <compare>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild {

class ImagePath {
  public:
    static constexpr std::size_t max_bytes = 4096;
    static constexpr std::size_t max_component_bytes = 255;

    /// The root.
    ImagePath() noexcept = default;

    /// Cleans `text` as a path below the root: leading and double slashes and "." vanish, ".." goes up and
    /// stops at the root (what COPY and WORKDIR do). Throws Error{invalid_input} for NUL and lengths.
    static ImagePath clean(std::string_view text);
    /// As clean(), but empty where `text` holds a ".." component, a NUL, or is too long: for names that
    /// come from archives, where such a name is an attack and not a habit.
    static std::optional<ImagePath> parse_strict(std::string_view text) noexcept;

    /// "" for the root, else "/a/b".
    const std::string& bytes() const noexcept { return bytes_; }
    /// "/" for the root, else bytes(): for people and for image configs.
    std::string absolute() const { return is_root() ? "/" : bytes_; }
    /// Without the leading slash; "" for the root: for *at() calls and tar names.
    std::string_view relative() const noexcept { return std::string_view(bytes_).substr(is_root() ? 0 : 1); }
    bool is_root() const noexcept { return bytes_.empty(); }

    /// The last component; "" for the root.
    std::string_view name() const noexcept;
    /// The path without its last component; the root's parent is the root.
    ImagePath parent() const;
    /// This path and one more component. `name` must be a valid component: Error{invalid_input} else.
    ImagePath child(std::string_view name) const;
    /// This path with all components of `below` behind it.
    ImagePath join(const ImagePath& below) const;
    /// Its components, outermost first. The views live as long as this object.
    std::vector<std::string_view> components() const&;
    std::vector<std::string_view> components() && = delete;  ///< the views would outlive the path

    /// True if this path lies strictly below `directory`.
    bool is_below(const ImagePath& directory) const noexcept;
    /// This path as seen from `directory`, which it must equal or lie below.
    ImagePath relative_to(const ImagePath& directory) const;

    friend bool operator==(const ImagePath&, const ImagePath&) = default;
    friend std::strong_ordering operator<=>(const ImagePath& a, const ImagePath& b) noexcept;

  private:
    explicit ImagePath(std::string bytes) noexcept : bytes_(std::move(bytes)) {}
    std::string bytes_;
};

/// True if `name` may be one component of a path.
bool is_path_component(std::string_view name) noexcept;

/// The order and the containment of paths for those who hold many as bytes() and make no ImagePath of each.
std::strong_ordering compare_path_bytes(std::string_view a, std::string_view b) noexcept;
bool lies_below(std::string_view path, std::string_view directory) noexcept;

}  // namespace imgbuild

template <>
struct std::hash<imgbuild::ImagePath> {
    std::size_t operator()(const imgbuild::ImagePath& path) const noexcept {
        return std::hash<std::string>{}(path.bytes());
    }
};
