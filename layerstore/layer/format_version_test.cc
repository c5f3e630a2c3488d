// SPDX-License-Identifier: Apache-2.0
// The golden bytes of every format version. A digest here that has to change means that images would: then what changed
// them belongs into a new version, and these stay (docs/formats/format-version.md).
#include "layerstore/layer/format_version.h"

#include <doctest/doctest.h>

#include <string>

#include "base/test_support.h"
#include "layerstore/layer/packing.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

// Text that compresses as sources do, and differs by `seed`.
std::string text_of(std::uint32_t seed, std::size_t size) {
    static constexpr std::string_view words[] = {"layer ", "tree ", "the ", "of\n", "digest ", "a ", "bytes ", "and "};
    std::string text;
    std::uint32_t state = seed;
    while (text.size() < size) {
        state = state * 1664525 + 1013904223;
        text += words[state >> 29];
        if ((state >> 20) % 16 == 0) text += std::to_string(state);
    }
    text.resize(size);
    return text;
}

class GoldenLayer {
  public:
    GoldenLayer() {
        contents.add(memory_);
        // Enough paths and bytes that chunks end by path, by size and inside a file.
        for (std::uint32_t i = 0; i < 1500; ++i) put("/tree/" + std::to_string(i), file(text_of(i, 4000)));
        put("/large", file(text_of(1, 9'000'001)));
        put("/zeros", file(std::string(5 << 20, '\0')));
        put("/" + std::string(200, 'n'), file("a long name"));
        Entry owned = file("owned");
        owned.uid = 4'000'000'000;
        owned.mode = 04755;
        owned.mtime = {1'700'000'000, 250'000'000};
        owned.xattrs = std::make_shared<const Xattrs>(Xattrs{{"security.capability", std::string("\1\0\2", 3)}});
        put("/owned", owned);
        Entry link;
        link.kind = EntryKind::symlink;
        link.mode = 0777;
        link.link_target = "tree/1";
        link.mtime = default_file_time;
        put("/link", link);
        const Entry twin = file("twin");
        put("/a", twin);
        put("/b", twin);
        changes_.push_back({ImagePath::clean("/gone"), ChangeKind::remove, {}});
        Entry directory = implied_directory();
        changes_.push_back({ImagePath::clean("/opaque"), ChangeKind::empty, directory});
    }

    TreeDelta delta() const { return TreeDelta::build(changes_, {{ImagePath::clean("/a"), ImagePath::clean("/b")}}); }

    ContentSources contents;

  private:
    Entry file(const std::string& bytes) {
        Entry entry;
        entry.size = bytes.size();
        entry.mtime = default_file_time;
        entry.content = memory_->add(bytes);
        return entry;
    }
    void put(const std::string& path, Entry entry) {
        changes_.push_back({ImagePath::clean(path), ChangeKind::put, std::move(entry)});
    }

    std::shared_ptr<MemoryContents> memory_ = std::make_shared<MemoryContents>();
    std::vector<Change> changes_;
};

struct Golden {
    Compression compression;
    int level;
    std::string_view diff_id;
    std::string_view blob;
};

}  // namespace

TEST_CASE("format version 1: a layer's tar and its compressed bytes are those of all releases") {
    constexpr std::string_view diff_id = "8d450b8c9624bccae6a8e017dfbb3eb7a8f906dc4f492c7d02891e8a46883d92";
    const Golden golden[] = {
        {Compression::none, 0, diff_id, diff_id},
        {Compression::gzip, 4, diff_id, "3fce8e5d454913e6f65cb367f72f2c55a4a28eed71d5a68b91b30f888f77b860"},
        {Compression::gzip, 9, diff_id, "3a7a9a4546c5d1f3c1ccc1cdd8fe3339f0a02f51da9e38a72ba5b6d7940c3092"},
        {Compression::zstd, 3, diff_id, "2dd7e98c30689ab1158af84fba00cf7e41982f924f2033ea75842fb1c14440ce"},
        {Compression::zstd, 19, diff_id, "6bc3ca97939baefce8a921630a369f1ddca79c135336a322bdbd6ab0150f2633"},
    };
    GoldenLayer layer;
    TaskPool pool(2);
    for (const Golden& expected : golden) {
        CAPTURE(name_of(expected.compression));
        CAPTURE(expected.level);
        MemoryWriter out;
        const PackOptions options{expected.compression, expected.level, FormatVersion::v1};
        const PackedLayer packed = pack_layer(layer.delta(), layer.contents, options, pool, out);
        CHECK(packed.diff_id.value.hex() == expected.diff_id);
        CHECK(Sha256::of(out.bytes()).hex() == expected.blob);
    }
}

TEST_CASE("the compressors that are linked are those that the newest format version promises") {
    for (const Compression compression : {Compression::none, Compression::gzip, Compression::zstd})
        CHECK(compressor_version(compression) == promised_compressor(newest_format, compression));
}

TEST_CASE("a format version is known by its number") {
    CHECK(format_from_number(1) == FormatVersion::v1);
    CHECK(!format_from_number(0));
    CHECK(!format_from_number(number_of(newest_format) + 1));
    CHECK(!format_from_number(257));
    CHECK(known_format_numbers() == "1");
    CHECK(default_level(FormatVersion::v1, Compression::gzip) == PackOptions{}.level);
}
