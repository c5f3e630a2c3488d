// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <map>

#include "base/error.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/layer/packing.h"
#include "layerstore/layer/tar_writer.h"
#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

ImagePath at(std::string_view text) { return ImagePath::clean(text); }

class CountedContents final : public ContentSource {
  public:
    Digest add(std::string bytes) { return memory_.add(std::move(bytes)); }
    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override {
        ++reads;
        return memory_.open(content, size);
    }
    std::atomic<int> reads = 0;

  private:
    MemoryContents memory_;
};

// Entries whose bytes are kept where packing finds them.
struct Fixture {
    std::shared_ptr<CountedContents> memory = std::make_shared<CountedContents>();
    ContentSources contents;
    Fixture() { contents.add(memory); }

    Entry file(std::string bytes) {
        Entry entry;
        entry.size = bytes.size();
        entry.mtime = default_file_time;
        entry.content = memory->add(std::move(bytes));
        return entry;
    }
    static Entry other(EntryKind kind) {
        Entry entry;
        entry.kind = kind;
        entry.mode = kind == EntryKind::symlink ? 0777 : 0755;
        entry.mtime = default_file_time;
        return entry;
    }
    std::string tar(const TreeDelta& delta) {
        MemoryWriter out;
        write_layer(delta, contents, out);
        return out.take();
    }
};

// Chunks of every layer that keep() saw.
class EarlierChunks final : public ChunkSource {
  public:
    std::optional<Found> find(const Digest& key) override {
        const auto found = chunks.find(key);
        return found == chunks.end() || loses_all ? std::nullopt : std::optional(found->second);
    }
    bool has(const Digest& key) override { return chunks.contains(key); }
    void keep(const PackedLayer& layer, const std::string& blob) {
        for (const PackedChunk& chunk : layer.chunks) {
            const std::string packed = blob.substr(chunk.offset, chunk.size);
            CHECK(accident_sum(packed) == chunk.sum);
            chunks[chunk.key] = {chunk, packed};
        }
    }
    // As a source that does not look at sums would give them.
    void damage() {
        for (auto& [key, found] : chunks) found.packed.resize(found.packed.size() / 2);
    }
    std::map<Digest, Found> chunks;
    bool loses_all = false;
};

// Packs with what is there and without; both give the same bytes.
void pack_again(Fixture& fixture, const TreeDelta& delta, Compression compression, EarlierChunks& earlier) {
    TaskPool pool(2);
    const PackOptions options{compression, default_level(compression)};
    MemoryWriter out;
    const PackedLayer packed = pack_layer(delta, fixture.contents, options, pool, out, &earlier);
    const int reads = fixture.memory->reads;
    MemoryWriter fresh;
    const PackedLayer expected = pack_layer(delta, fixture.contents, options, pool, fresh);
    fixture.memory->reads = reads;
    CHECK(out.bytes() == fresh.bytes());
    CHECK(packed.diff_id == expected.diff_id);
    CHECK(expected.chunks.empty());
    earlier.keep(packed, std::string(out.bytes()));
}

TreeDelta read(std::string_view tar, const Tree& below = {}) {
    MemoryReader source(tar);
    return read_layer(source, below, "layer");
}

// A layer of everything that tar can say with difficulty.
TreeDelta difficult(Fixture& fixture) {
    std::vector<Change> changes;
    auto put = [&](std::string_view path, Entry entry) {
        changes.push_back({at(path), ChangeKind::put, std::move(entry)});
    };
    put("/plain", fixture.file("hello"));
    put("/empty", fixture.file(""));
    put("/" + std::string(255, 'n'), fixture.file("long name"));
    put("/d\n/\xff\xfe", fixture.file("bytes"));
    Entry far = fixture.file("far");
    far.uid = 4'000'000'000;
    far.gid = 3'000'000;
    far.mode = 06755;
    far.mtime = {-2, 250'000'000};
    far.xattrs =
        std::make_shared<const Xattrs>(Xattrs{{"security.capability", std::string("\1\0\2", 3)}, {"user.k", "v\n"}});
    put("/far", far);
    Entry link = Fixture::other(EntryKind::symlink);
    link.link_target = std::string(150, 't');
    put("/link", link);
    Entry device = Fixture::other(EntryKind::character_device);
    device.device_major = 1;
    device.device_minor = 3;
    put("/null", device);
    put("/pipe", Fixture::other(EntryKind::fifo));
    Entry twin = fixture.file("twin");
    put("/a", twin);
    put("/z/b", twin);
    changes.push_back({at("/gone"), ChangeKind::remove, {}});
    changes.push_back({at("/opaque"), ChangeKind::empty, Fixture::other(EntryKind::directory)});
    return TreeDelta::build(std::move(changes), {{at("/a"), at("/z/b")}});
}

}  // namespace

TEST_CASE("a layer that was written is read as the delta it was") {
    Fixture fixture;
    TreeDelta delta = difficult(fixture);
    CHECK(read(fixture.tar(delta)) == delta);
}

TEST_CASE("the bytes of a layer are those of format version 1") {
    Fixture fixture;
    CHECK(Sha256::of(fixture.tar(TreeDelta())).hex() ==
          "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
    CHECK(fixture.tar(TreeDelta::build({{at("/f"), ChangeKind::put, fixture.file("x")}})).size() == 2048);
}

TEST_CASE("packing gives the written tar, and the same blob for any number of threads") {
    Fixture fixture;
    std::vector<Change> changes;
    for (int i = 0; i < 3000; ++i)
        changes.push_back(
            {at("/many/f" + std::to_string(i)), ChangeKind::put, fixture.file(std::string(1500, char('a' + i % 26)))});
    changes.push_back({at("/large"), ChangeKind::put, fixture.file(std::string(9'000'001, 'L'))});
    TreeDelta delta = TreeDelta::build(std::move(changes));
    std::string tar = fixture.tar(delta);
    for (Compression compression : {Compression::none, Compression::gzip, Compression::zstd}) {
        std::optional<Digest> first;
        for (std::size_t threads : {1, 2, 7}) {
            TaskPool pool(threads);
            MemoryWriter out;
            PackedLayer packed =
                pack_layer(delta, fixture.contents, {compression, default_level(compression)}, pool, out);
            CHECK(packed.diff_id.value == Sha256::of(tar));
            CHECK(packed.tar_size == tar.size());
            const Digest blob = Sha256::of(out.bytes());
            CHECK(first.value_or(blob) == blob);
            first = blob;
            MemoryReader source(out.bytes());
            auto plain = make_detecting_decompressor(source, "layer");
            CHECK(read_all(*plain, UINT64_MAX, "layer") == tar);
        }
    }
}

TEST_CASE("an inserted file leaves the later chunks of a layer as they were") {
    Fixture fixture;
    std::vector<Change> changes;
    for (int i = 0; i < 8000; ++i)
        changes.push_back({at("/f" + std::to_string(100000 + i)), ChangeKind::put,
                           fixture.file(std::string(2000, char('a' + i % 26)))});
    auto pack = [&](std::vector<Change> all) {
        TaskPool pool(2);
        MemoryWriter out;
        pack_layer(TreeDelta::build(std::move(all)), fixture.contents, {Compression::gzip, 4}, pool, out);
        return out.take();
    };
    std::string before = pack(changes);
    changes.push_back({at("/f0"), ChangeKind::put, fixture.file("inserted at the front")});
    std::string after = pack(changes);
    std::size_t tail = before.size() / 2;
    CHECK(after.ends_with(before.substr(tail)));
}

TEST_CASE("chunks of an earlier layer are used again, and of the files only those of changed chunks are read") {
    Fixture fixture;
    std::vector<Change> changes;
    for (int i = 0; i < 8000; ++i)
        changes.push_back({at("/f" + std::to_string(100000 + i)), ChangeKind::put,
                           fixture.file(std::string(2000, char('a' + i % 26)) + std::to_string(i))});
    changes.push_back({at("/large"), ChangeKind::put, fixture.file(std::string(9'000'001, 'L'))});
    for (Compression compression : {Compression::none, Compression::gzip, Compression::zstd}) {
        EarlierChunks earlier;
        pack_again(fixture, TreeDelta::build(changes), compression, earlier);
        std::vector<Change> changed = changes;
        changed[4000].entry = fixture.file("edited");
        changed.push_back({at("/f0"), ChangeKind::put, fixture.file("inserted at the front")});
        fixture.memory->reads = 0;
        pack_again(fixture, TreeDelta::build(changed), compression, earlier);
        CHECK(fixture.memory->reads < 2 * 4000);
        CHECK(fixture.memory->reads > 0);

        earlier.damage();
        pack_again(fixture, TreeDelta::build(changed), compression, earlier);
    }
}

TEST_CASE("a piece of a large file whose chunk is gone is made of the file again") {
    Fixture fixture;
    std::string bytes(9'000'001, 'L');
    for (std::size_t i = 0; i < bytes.size(); i += 7) bytes[i] = static_cast<char>(i >> 8);
    const TreeDelta delta = TreeDelta::build({{at("/large"), ChangeKind::put, fixture.file(bytes)}});
    EarlierChunks earlier;
    pack_again(fixture, delta, Compression::zstd, earlier);
    CHECK(earlier.chunks.size() == 3);
    // Known when it is asked for, and gone when it is wanted.
    earlier.loses_all = true;
    fixture.memory->reads = 0;
    pack_again(fixture, delta, Compression::zstd, earlier);
    CHECK(fixture.memory->reads == 3);
}

TEST_CASE("content that nobody holds stops the packing and names the file") {
    Fixture fixture;
    Entry lost;
    lost.size = 4;
    lost.content = Sha256::of("lost");
    TreeDelta delta = TreeDelta::build({{at("/lost"), ChangeKind::put, lost}});
    TaskPool pool(2);
    MemoryWriter out;
    CHECK_THROWS_AS(pack_layer(delta, fixture.contents, {}, pool, out), Error);
}

TEST_CASE("a name that marks a deletion is not packed as a file") {
    Fixture fixture;
    TreeDelta delta = TreeDelta::build({{at("/.wh.x"), ChangeKind::put, fixture.file("x")}});
    CHECK_THROWS_WITH_AS(fixture.tar(delta), "pack: /.wh.x: names that begin with \".wh.\" mark deletions in layers",
                         Error);
}

TEST_CASE("a layer that could not be read again is refused before a file is read") {
    Fixture fixture;
    Entry large = fixture.file("x");
    large.size = std::uint64_t{600} << 30;
    large.content = Sha256::of("never read");
    TreeDelta delta = TreeDelta::build({{at("/a"), ChangeKind::put, large}, {at("/b"), ChangeKind::put, large}});
    MemoryWriter out;
    TaskPool pool(1);
    CHECK_THROWS_WITH_AS(pack_layer(delta, fixture.contents, {}, pool, out),
                         "pack: /b: with it the layer holds 1.0 TiB or more", Error);
}

TEST_CASE("whiteouts act on lower layers wherever they stand in the archive") {
    Fixture fixture;
    Tree below = apply(Tree(), TreeDelta::build({{at("/d/old"), ChangeKind::put, fixture.file("1")}}));
    std::string put = tar_header(at("/d/new"), fixture.file(""));
    std::string end(tar_end());
    for (const std::string& tar : {tar_whiteout(at("/d")) + put + end, put + tar_whiteout(at("/d")) + end,
                                   put + tar_opaque_marker(at("/d")) + end}) {
        Tree result = apply(below, read(tar, below));
        CHECK(result.find(at("/d/new")));
        CHECK_FALSE(result.find(at("/d/old")));
    }
}

TEST_CASE("the deletion of a name or path that leaves no room for the marker is read") {
    Fixture fixture;
    std::string deep;
    for (int i = 0; i < 15; ++i) deep += "/" + std::string(255, 'd');
    for (const std::string& path : {"/" + std::string(255, 'n'), deep + "/" + std::string(250, 'n')}) {
        const TreeDelta base = TreeDelta::build({{at(path), ChangeKind::put, fixture.file("1")}});
        const TreeDelta removal = TreeDelta::build({{at(path), ChangeKind::remove, {}}});
        const std::string bytes = fixture.tar(removal);
        MemoryReader tar(bytes);
        CHECK(read_layer(tar, apply(Tree(), base), "layer") == removal);
    }
    // A doubled marker is none, however long.
    const std::string twice = tar_whiteout(at("/.wh." + std::string(251, 'n'))) + std::string(tar_end());
    MemoryReader tar(twice);
    CHECK_THROWS_AS(read_layer(tar, Tree(), "layer"), Error);
}

TEST_CASE("an entry below a link lands where the link leads, inside the root") {
    Fixture fixture;
    Entry link = Fixture::other(EntryKind::symlink);
    link.link_target = "../../usr/lib";
    std::string tar = tar_header(at("/usr/lib"), Fixture::other(EntryKind::directory)) + tar_header(at("/lib"), link) +
                      tar_header(at("/lib/x"), fixture.file("")) + std::string(tar_end());
    TreeDelta delta = read(tar);
    CHECK(delta.find(at("/usr/lib/x")));
    CHECK_FALSE(delta.find(at("/lib/x")));
}

TEST_CASE("of two entries with one path the later counts, and leaves its links") {
    Fixture fixture;
    Entry file = fixture.file("");
    std::string tar = tar_header(at("/a"), file) + tar_link_header(at("/b"), file, at("/a")) +
                      tar_header(at("/b"), Fixture::other(EntryKind::fifo)) + std::string(tar_end());
    TreeDelta delta = read(tar);
    CHECK(delta.find(at("/b"))->entry.kind == EntryKind::fifo);
    CHECK(delta.links().empty());
}

TEST_CASE("a hard link may name a file of a lower layer, and nothing that is not a file") {
    Fixture fixture;
    Entry file = fixture.file("lower");
    Tree below = apply(Tree(), TreeDelta::build({{at("/low"), ChangeKind::put, file}}));
    std::string tar = tar_link_header(at("/high"), file, at("/low")) + std::string(tar_end());
    CHECK(read(tar, below).find(at("/high"))->entry.content == file.content);
    CHECK_THROWS_WITH_AS(read(tar), "layer: /high: a hard link to low, which is not a file of the image", Error);
}

TEST_CASE("names that leave the root, damaged headers and cut archives are refused") {
    Fixture fixture;
    std::string good = tar_header(at("/aa/bb"), fixture.file("")) + std::string(tar_end());
    auto rename = [&](std::string_view name) {
        std::string tar = good;
        tar.replace(0, 5, name);
        unsigned sum = 0;
        for (std::size_t i = 0; i < tar_block; ++i)
            sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(tar[i]);
        char digits[8];
        std::snprintf(digits, sizeof digits, "%06o", sum);
        tar.replace(148, 7, std::string_view(digits, 7));
        return tar;
    };
    CHECK(read(rename("aa/cc")).find(at("/aa/cc")));
    CHECK_THROWS_WITH_AS(read(rename("../bb")), "layer: ../bb: a name that is not a path below the root", Error);
    CHECK_THROWS_AS(read(rename(".wh.\0")), Error);
    std::string damaged = good;
    damaged[0] ^= 1;
    CHECK_THROWS_WITH_AS(read(damaged), "layer: `a/bb: a header whose checksum is wrong", Error);
    CHECK_THROWS_AS(read(good.substr(0, 300)), Error);
    std::string with_data = tar_header(at("/f"), fixture.file("data"));
    CHECK_THROWS_WITH_AS(read(with_data + "da"), "layer: f: the archive ends 2 bytes before the end of the file",
                         Error);
}

TEST_CASE("a last file without what pads it, as tools in Go write it, is whole") {
    Fixture fixture;
    const std::string tar = tar_header(at("/f"), fixture.file("data")) + "data";
    for (const std::string& end : {std::string(), std::string(100, '\0')}) CHECK(read(tar + end).find(at("/f")));
}

TEST_CASE("a device that overlay file systems take for a deletion is refused") {
    std::string tar = tar_header(at("/x"), Fixture::other(EntryKind::character_device)) + std::string(tar_end());
    CHECK_THROWS_WITH_AS(read(tar), "layer: /x: a device 0:0, which overlay file systems take for a deletion", Error);
}
