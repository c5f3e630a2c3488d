// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tells two images apart: files, layers and configs. Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "layerstore/image/image.h"
#include "layerstore/tree/tree.h"

namespace imgbuild::cli {

struct FileDifference {
    enum class Kind { added, removed, changed };
    ImagePath path;
    Kind kind = Kind::changed;
    std::uint64_t size_before = 0;  ///< bytes; files only
    std::uint64_t size_after = 0;
    std::vector<std::string> what;  ///< of a change: "kind", "content", "target", "device", "mode 0644 -> 0755", …
};

struct ConfigDifference {
    std::string key;  ///< "architecture", "config.Env", "history"
    Json before;      ///< null where it has none
    Json after;
};

/// Layers by what is packed in them.
struct LayerDifference {
    std::size_t shared = 0, only_before = 0, only_after = 0;
    std::uint64_t bytes_shared = 0, bytes_only_before = 0, bytes_only_after = 0;  ///< compressed
};

struct ImageDifference {
    std::vector<FileDifference> files;  ///< in path order
    std::vector<ConfigDifference> config;
    LayerDifference layers;
    std::uint64_t file_bytes_before = 0, file_bytes_after = 0;  ///< of all files, each name of a hard link counted
};

struct ComparedImage {
    const layerstore::Image& image;
    const layerstore::Tree& tree;
};

/// `with_times`: times of files count as well.
ImageDifference compare_images(const ComparedImage& before, const ComparedImage& after, bool with_times);

}  // namespace imgbuild::cli
