// SPDX-License-Identifier: Apache-2.0
#include "layerstore/layer/format_version.h"

#include <algorithm>

namespace imgbuild::layerstore {

std::optional<FormatVersion> format_from_number(std::uint64_t number) noexcept {
    const auto found = std::ranges::find(known_formats, number, number_of);
    return found == known_formats.end() ? std::nullopt : std::optional(*found);
}

std::string known_format_numbers() {
    std::string numbers;
    for (std::size_t i = 0; i < known_formats.size(); ++i) {
        if (i > 0) numbers += i + 1 == known_formats.size() ? " and " : ", ";
        numbers += std::to_string(number_of(known_formats[i]));
    }
    return numbers;
}

std::string_view promised_compressor(FormatVersion format, Compression compression) noexcept {
    switch (format) {
        case FormatVersion::v1:
            switch (compression) {
                case Compression::none: return "none";
                case Compression::gzip: return "libdeflate 1.14";
                case Compression::zstd: return "zstd 1.5.4";
            }
    }
    return "";
}

int default_level(FormatVersion format, Compression compression) noexcept {
    switch (format) {
        case FormatVersion::v1:
            switch (compression) {
                case Compression::none: return 0;
                case Compression::gzip: return 4;
                case Compression::zstd: return 3;
            }
    }
    return 0;
}

ChunkRules chunk_rules(FormatVersion format) noexcept {
    switch (format) {
        // An inserted file moves no later boundary: whether a chunk ends before an entry hangs on its path alone.
        case FormatVersion::v1: return {.small = 1 << 20, .large = 4 << 20, .boundary_mask = 0x0f};
    }
    return {};
}

}  // namespace imgbuild::layerstore
