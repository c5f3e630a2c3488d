// SPDX-License-Identifier: Apache-2.0
#include "base/image_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/input_limits.h"
#include "base/text.h"

namespace imgbuild {
namespace {

static_assert(ImagePath::max_bytes == limits::path_bytes && ImagePath::max_component_bytes == limits::name_bytes);

[[noreturn]] void refuse(std::string_view text, std::string_view reason) {
    throw Error(ErrorKind::invalid_input, fmt::format("path: {}: {}", printable(text.substr(0, 200)), reason));
}

// '/' lowest, so that "lib/y" comes before "lib-x" and a directory's content follows it at once.
int weight(char c) noexcept { return c == '/' ? 0 : 1 + static_cast<unsigned char>(c); }

// How many leading bytes are equal, eight at a time: neighbours in a directory share most of their paths.
std::size_t shared_length(std::string_view a, std::string_view b) noexcept {
    std::size_t end = std::min(a.size(), b.size());
    std::size_t at = 0;
    for (std::uint64_t x = 0, y = 0; at + sizeof x <= end; at += sizeof x) {
        std::memcpy(&x, a.data() + at, sizeof x);
        std::memcpy(&y, b.data() + at, sizeof y);
        if (x != y) break;
    }
    while (at < end && a[at] == b[at]) ++at;
    return at;
}

}  // namespace

bool is_path_component(std::string_view name) noexcept {
    return !name.empty() && name != "." && name != ".." && name.size() <= ImagePath::max_component_bytes &&
           name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

ImagePath ImagePath::clean(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) refuse(text, "a path cannot hold a NUL byte");
    std::string out;
    for (std::string_view part : split(text, '/')) {
        if (part.empty() || part == ".") continue;
        if (part == "..") {
            out.resize(out.empty() ? 0 : out.rfind('/'));
            continue;
        }
        if (part.size() > max_component_bytes) refuse(text, "a name is longer than 255 bytes");
        out += '/';
        out += part;
    }
    if (out.size() > max_bytes) refuse(text, "longer than 4096 bytes");
    return ImagePath(std::move(out));
}

std::optional<ImagePath> ImagePath::parse_strict(std::string_view text) noexcept {
    if (text.size() > max_bytes) return std::nullopt;
    std::string out;
    for (std::string_view part : split(text, '/')) {
        if (part.empty() || part == ".") continue;
        if (!is_path_component(part)) return std::nullopt;
        out += '/';
        out += part;
    }
    if (out.size() > max_bytes) return std::nullopt;
    return ImagePath(std::move(out));
}

std::string_view ImagePath::name() const noexcept {
    return is_root() ? std::string_view() : std::string_view(bytes_).substr(bytes_.rfind('/') + 1);
}

ImagePath ImagePath::parent() const { return is_root() ? ImagePath() : ImagePath(bytes_.substr(0, bytes_.rfind('/'))); }

ImagePath ImagePath::child(std::string_view name) const {
    if (!is_path_component(name)) refuse(name, "cannot be the name of a file");
    if (bytes_.size() + 1 + name.size() > max_bytes) refuse(bytes_, "longer than 4096 bytes");
    std::string out;
    out.reserve(bytes_.size() + 1 + name.size());
    out.append(bytes_).append(1, '/').append(name);
    return ImagePath(std::move(out));
}

ImagePath ImagePath::join(const ImagePath& below) const {
    if (bytes_.size() + below.bytes_.size() > max_bytes) refuse(bytes_, "longer than 4096 bytes");
    return ImagePath(bytes_ + below.bytes_);
}

std::vector<std::string_view> ImagePath::components() const& {
    if (is_root()) return {};
    return split(relative(), '/');
}

bool ImagePath::is_below(const ImagePath& directory) const noexcept { return lies_below(bytes_, directory.bytes_); }

ImagePath ImagePath::relative_to(const ImagePath& directory) const {
    if (*this != directory && !is_below(directory)) refuse(bytes_, "does not lie below " + directory.absolute());
    return ImagePath(bytes_.substr(directory.bytes_.size()));
}

std::strong_ordering operator<=>(const ImagePath& a, const ImagePath& b) noexcept {
    return compare_path_bytes(a.bytes_, b.bytes_);
}

std::strong_ordering compare_path_bytes(std::string_view a, std::string_view b) noexcept {
    std::size_t shared = shared_length(a, b);
    if (shared == a.size() || shared == b.size()) return a.size() <=> b.size();
    return weight(a[shared]) <=> weight(b[shared]);
}

bool lies_below(std::string_view path, std::string_view directory) noexcept {
    return path.size() > directory.size() && path[directory.size()] == '/' && path.starts_with(directory);
}

}  // namespace imgbuild
