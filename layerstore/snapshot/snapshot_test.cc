// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/temporary_directory.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/snapshot/overlay_codec.h"
#include "layerstore/snapshot/seal.h"
#include "layerstore/snapshot/status_record.h"
#include "layerstore/snapshot/trust.h"
#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

ImagePath at(std::string_view text) { return ImagePath::clean(text); }

Entry directory(std::uint16_t mode = 0755) {
    Entry entry;
    entry.kind = EntryKind::directory;
    entry.mode = mode;
    entry.mtime = default_file_time;
    return entry;
}

// A delta in the making, with the bytes of its files.
struct Draft {
    std::shared_ptr<MemoryContents> contents = std::make_shared<MemoryContents>();
    std::vector<Change> changes;
    std::vector<LinkGroup> links;

    Draft& put(std::string_view path, Entry entry) {
        changes.push_back({at(path), ChangeKind::put, std::move(entry)});
        return *this;
    }
    Draft& file(std::string_view path, std::string bytes, std::uint16_t mode = 0644) {
        Entry entry;
        entry.mode = mode;
        entry.size = bytes.size();
        entry.mtime = {1'000'000'000, 5};
        entry.content = contents->add(std::move(bytes));
        return put(path, entry);
    }
    Draft& change(std::string_view path, ChangeKind kind, Entry entry = {}) {
        changes.push_back({at(path), kind, std::move(entry)});
        return *this;
    }
    TreeDelta build() const { return TreeDelta::build(changes, links); }
    std::string tar(const TreeDelta& delta) const {
        ContentSources sources;
        sources.add(contents);
        MemoryWriter out;
        write_layer(delta, sources, out);
        return out.take();
    }
    void lay_down(const TreeDelta& delta, const Directory& out,
                  OverlaySpelling spelling = OverlaySpelling::trusted) const {
        std::string bytes = tar(delta);
        MemoryReader reader(bytes);
        write_upper(reader, out, spelling);
    }
};

struct Place {
    TemporaryDirectory temporary = TemporaryDirectory::create();
    Directory fresh(std::string_view name) const {
        return temporary.directory().make_directory(ImagePath().child(name));
    }
};

// Owners, whiteouts and the trusted attributes need root.
#define NEEDS_ROOT()                                             \
    if (::geteuid() != 0) {                                      \
        MESSAGE("skipped: needs root for owners and whiteouts"); \
        return;                                                  \
    }

Entry link_to(std::string target) {
    Entry entry;
    entry.kind = EntryKind::symlink;
    entry.mode = 0777;
    entry.link_target = std::move(target);
    entry.mtime = {7, 0};
    return entry;
}

}  // namespace

TEST_CASE("what write_upper lays down is what read_upper finds") {
    NEEDS_ROOT();
    Place place;
    Draft draft;
    Entry owned = directory(01777);
    owned.uid = 1000;
    owned.gid = 50;
    owned.mtime = {123, 456};
    draft.put("/", directory()).put("/a", owned).file("/a/suid", "program", 06755).file("/a/plain", "");
    draft.changes[2].entry.uid = 7;
    draft.changes[2].entry.xattrs = std::make_shared<const Xattrs>(Xattrs{{"user.note", std::string("x\0y", 3)}});
    draft.put("/a/link", link_to("../etc/passwd")).change("/a/gone", ChangeKind::remove);
    Entry fifo;
    fifo.kind = EntryKind::fifo;
    fifo.mode = 0600;
    Entry null = fifo;
    null.kind = EntryKind::character_device;
    null.device_major = 1;
    null.device_minor = 3;
    draft.put("/b", directory(0700)).put("/b/fifo", fifo).put("/b/null", null);
    draft.change("/fresh", ChangeKind::empty, directory(0750)).file("/fresh/x", "y");
    TreeDelta delta = draft.build();
    for (OverlaySpelling spelling : {OverlaySpelling::trusted, OverlaySpelling::single}) {
        Directory out = place.fresh(spelling == OverlaySpelling::single ? "single" : "trusted");
        draft.lay_down(delta, out, spelling);
        CHECK(read_upper(out, spelling) == delta);
        CHECK(check_upper(out, delta, spelling).empty());
    }
}

TEST_CASE("owners and devices of the single spelling are in records of files that are all the caller's") {
    NEEDS_ROOT();
    Place place;
    Draft draft;
    draft.put("/", directory()).file("/file", "x").put("/link", link_to("file"));
    Entry null;
    null.kind = EntryKind::character_device;
    null.device_major = 1;
    null.device_minor = 3;
    draft.put("/null", null);
    for (Change& change : draft.changes) change.entry.gid = 42;
    const Directory out = place.fresh("out");
    draft.lay_down(draft.build(), out, OverlaySpelling::single);
    for (const char* name : {"file", "link", "null"}) CHECK(out.status(at(name))->st_gid == 0);
    CHECK(S_ISREG(out.status(at("null"))->st_mode));
    const std::string link = path_below(out.fd(), "link");
    CHECK(read_record(link, S_IFLNK, LastLink::meant) == StatusRecord{0, 42, std::nullopt});
    CHECK(write_record(link, S_IFLNK, LastLink::meant, {}));
    CHECK_FALSE(read_record(link, S_IFLNK, LastLink::meant));
    CHECK(read_record(path_below(out.fd(), "null"), S_IFREG, LastLink::meant)->device ==
          DeviceRecord{EntryKind::character_device, 1, 3});
}

TEST_CASE("names of one file stay one file") {
    NEEDS_ROOT();
    Place place;
    Draft draft;
    draft.put("/", directory()).put("/a", directory()).put("/b", directory());
    draft.file("/a/one", "same").file("/b/two", "same").file("/c", "same");
    draft.links.push_back({at("/a/one"), at("/b/two")});
    TreeDelta delta = draft.build();
    Directory out = place.fresh("out");
    draft.lay_down(delta, out);
    TreeDelta found = read_upper(out, OverlaySpelling::trusted);
    CHECK(found == delta);
    REQUIRE(found.links().size() == 1);
    CHECK(out.status(at("/a/one"))->st_ino == out.status(at("/b/two"))->st_ino);
}

TEST_CASE("many files are read by several threads, and nothing is mixed up") {
    NEEDS_ROOT();
    Place place;
    Draft draft;
    draft.put("/", directory());
    for (int i = 0; i < 10; ++i) draft.put(fmt::format("/d{}", i), directory());
    for (int i = 0; i < 400; ++i)
        draft.file(fmt::format("/d{}/f{:03}", i % 10, i), i % 7 == 0 ? std::string() : std::to_string(i), 0600);
    draft.file("/d9/z", "linked").file("/linked", "linked");
    draft.links.push_back({at("/d9/z"), at("/linked")});
    std::ranges::sort(draft.changes, {}, &Change::path);
    TreeDelta delta = draft.build();
    Directory out = place.fresh("out");
    draft.lay_down(delta, out);
    CHECK(read_upper(out, OverlaySpelling::trusted) == delta);
}

TEST_CASE("blocks of zero bytes become holes and the bytes stay the same") {
    Place place;
    std::string bytes(10 << 20, '\0');
    bytes.replace(5 << 20, 5, "hello");
    bytes.append(3, 'x').append(5000, '\0');
    Draft draft;
    draft.put("/", directory()).file("/sparse", bytes).file("/zeros", std::string(1 << 20, '\0'));
    for (Change& change : draft.changes) {
        change.entry.uid = ::geteuid();
        change.entry.gid = ::getegid();
    }
    Directory out = place.fresh("out");
    TreeDelta delta = draft.build();
    draft.lay_down(delta, out);
    CHECK(read_upper(out, OverlaySpelling::trusted).find(at("/sparse"))->entry.content == Sha256::of(bytes));
    CHECK(out.status(at("/sparse"))->st_blocks * 512 < 64 * 1024);
    CHECK(out.status(at("/zeros"))->st_size == 1 << 20);
}

TEST_CASE("a parent that the tar does not name is an ordinary directory") {
    NEEDS_ROOT();
    Place place;
    Draft draft;
    draft.file("/deep/er/file", "x");
    Directory out = place.fresh("out");
    draft.lay_down(draft.build(), out);
    auto status = out.status(at("/deep/er"));
    CHECK((status->st_mode & 07777) == 0755);
    CHECK(status->st_mtim.tv_sec == default_file_time.seconds);
}

TEST_CASE("a tar out of canonical order is refused") {
    NEEDS_ROOT();
    Place place;
    Draft draft;
    draft.file("/b", "1");
    Draft other;
    other.file("/a", "2");
    std::string first = draft.tar(draft.build());
    std::string second = other.tar(other.build());
    std::string both = first.substr(0, first.size() - 1024) + second;
    MemoryReader reader(both);
    Directory out = place.fresh("out");
    CHECK_THROWS_WITH_AS(write_upper(reader, out, OverlaySpelling::trusted), "materialise: a: out of order", Error);
}

TEST_CASE("complete_for adds parents as the base has them and drops removals of nothing") {
    Draft below;
    Entry etc = directory(0700);
    etc.mtime = {42, 0};
    below.put("/etc", etc).file("/etc/old", "old").file("/plain", "p");
    Tree base = apply(Tree(), below.build());
    Draft draft;
    draft.file("/etc/new", "n").change("/etc/old", ChangeKind::remove).change("/never", ChangeKind::remove);
    TreeDelta complete = complete_for(draft.build(), base);
    REQUIRE(complete.find(at("/etc")));
    CHECK(complete.find(at("/etc"))->entry == etc);
    CHECK(complete.find(at("/never")) == nullptr);
    CHECK(complete.find(ImagePath())->entry == base.root_entry());
    CHECK(apply(base, complete) == apply(base, draft.build()));
}

TEST_CASE("complete_for spells an emptied root by what stands in it") {
    Draft below;
    below.put("/keep", directory()).file("/keep/old", "x").file("/gone", "y");
    Tree base = apply(Tree(), below.build());
    Draft draft;
    draft.change("/", ChangeKind::empty, directory(0711)).put("/keep", directory()).file("/keep/new", "n");
    TreeDelta delta = draft.build();
    TreeDelta complete = complete_for(delta, base);
    CHECK(apply(base, complete) == apply(base, delta));
    CHECK(complete.find(ImagePath())->kind == ChangeKind::put);
    CHECK(complete.find(at("/keep"))->kind == ChangeKind::empty);
    CHECK(complete.find(at("/gone"))->kind == ChangeKind::remove);
}

TEST_CASE("finish_upper leaves what the delta names, spelt as it says, with its times") {
    NEEDS_ROOT();
    Place place;
    Draft draft;
    draft.put("/", directory()).put("/same", directory()).file("/same/unchanged", "u");
    draft.change("/opaque", ChangeKind::empty, directory()).file("/opaque/kept", "k").file("/opaque/equal", "e");
    draft.change("/whiteout-of-nothing", ChangeKind::remove).file("/new", "n");
    Directory out = place.fresh("out");
    draft.lay_down(draft.build(), out);
    ::mknodat(out.fd(), "socket", S_IFSOCK | 0600, 0);

    Draft wanted;
    wanted.contents = draft.contents;
    wanted.put("/", directory()).put("/opaque", directory()).file("/opaque/kept", "k").file("/new", "n");
    wanted.change("/opaque/vanished", ChangeKind::remove);
    TreeDelta delta = with_times(wanted.build(), {99, 0});
    finish_upper(out, delta, OverlaySpelling::trusted);
    CHECK(read_upper(out, OverlaySpelling::trusted) == delta);
    CHECK_FALSE(out.status(at("/socket")));
    CHECK_FALSE(out.status(at("/same")));
}

TEST_CASE("merge_upper shows of two layers what overlay shows of them") {
    NEEDS_ROOT();
    Place place;
    Draft lower;
    lower.put("/", directory())
        .put("/dir", directory())
        .file("/dir/a", "a1")
        .file("/dir/b", "b1")
        .file("/was-file", "f");
    lower.put("/emptied", directory()).file("/emptied/old", "o").change("/removed-then-made", ChangeKind::remove);
    lower.file("/link-one", "l").file("/link-two", "l");
    lower.links.push_back({at("/link-one"), at("/link-two")});
    Draft upper;
    upper.put("/", directory(0711))
        .put("/dir", directory(0700))
        .file("/dir/a", "a2")
        .change("/dir/b", ChangeKind::remove);
    upper.put("/was-file", directory()).file("/was-file/now", "dir");
    upper.change("/emptied", ChangeKind::empty, directory()).file("/emptied/new", "n");
    upper.put("/removed-then-made", directory()).file("/removed-then-made/x", std::string(100000, '\0') + "x");
    Directory target = place.fresh("target");
    Directory second = place.fresh("second");
    lower.lay_down(lower.build(), target);
    upper.lay_down(upper.build(), second);
    merge_upper(second, target, OverlaySpelling::trusted);
    TreeDelta merged = read_upper(target, OverlaySpelling::trusted);
    CHECK(merged.find(at("/was-file"))->kind == ChangeKind::empty);
    CHECK(merged.find(at("/removed-then-made"))->kind == ChangeKind::empty);
    CHECK(merged.find(at("/dir/b"))->kind == ChangeKind::remove);
    CHECK(merged.links().size() == 1);

    Draft ground;
    ground.put("/removed-then-made", directory()).file("/removed-then-made/hidden", "h").put("/dir", directory());
    ground.file("/dir/ground", "g").put("/emptied", directory()).file("/emptied/ground", "g");
    Tree base = apply(Tree(), ground.build());
    CHECK(apply(base, merged) == apply(apply(base, lower.build()), upper.build()));
}

TEST_CASE("in the user spelling device nodes are left out and marks are user attributes") {
    NEEDS_ROOT();
    Place place;
    Draft draft;
    Entry null;
    null.kind = EntryKind::character_device;
    null.device_major = 1;
    null.device_minor = 3;
    draft.put("/", directory()).put("/null", null).change("/o", ChangeKind::empty, directory());
    Directory out = place.fresh("out");
    draft.lay_down(draft.build(), out, OverlaySpelling::user);
    CHECK_FALSE(out.status(at("/null")));
    char mark = 0;
    CHECK(::fgetxattr(out.open_directory(at("/o"), FollowLinks::never).fd(), "user.overlay.opaque", &mark, 1) == 1);
    CHECK(read_upper(out, OverlaySpelling::user).find(at("/o"))->kind == ChangeKind::empty);
}

TEST_CASE("a delta is believed in the boot that wrote it, and later when a sync followed") {
    Place place;
    Directory spelling = place.fresh("root");
    Directory delta = spelling.make_directory(at("/abc"));
    const Directory& deltas = place.temporary.directory();
    CHECK_FALSE(is_trusted(deltas, spelling, "abc"));
    write_marker(delta);
    CHECK(is_trusted(deltas, spelling, "abc"));
    write_file_atomically(delta, "complete", "other-boot 500\n", Durability::none);
    CHECK_FALSE(is_trusted(deltas, spelling, "abc"));
    record_sync(deltas, {"other-boot", 400});
    CHECK_FALSE(is_trusted(deltas, spelling, "abc"));
    record_sync(deltas, {"other-boot", 501});
    CHECK(is_trusted(deltas, spelling, "abc"));
    write_file_atomically(delta, "complete", "other-boot 5", Durability::none);
    CHECK_FALSE(is_trusted(deltas, spelling, "abc"));
}

TEST_CASE("a seal shows every change below files, though size and time of the file are set back") {
    Place place;
    const Directory& deltas = place.temporary.directory();
    Directory delta = place.fresh("delta");
    Directory files = delta.make_directory(at("/files/sub"));
    write_file_atomically(files, "a", "alpha", Durability::none);
    write_file_atomically(files, "b", "beta", Durability::none);
    CHECK_FALSE(is_sealed(deltas, "delta"));  // there is none yet
    auto seal = [&] {
        write_seal(delta);
        ::usleep(20'000);  // a tick of the clock that the kernel stamps files with
        CHECK(is_sealed(deltas, "delta"));
    };
    seal();
    SUBCASE("other bytes of the same length") {
        struct stat before {};
        REQUIRE(::fstatat(files.fd(), "a", &before, 0) == 0);
        Fd fd = files.open(at("a"), O_WRONLY, FollowLinks::never);
        REQUIRE(::pwrite(fd.get(), "ALPHA", 5, 0) == 5);
        const timespec times[2] = {before.st_atim, before.st_mtim};
        REQUIRE(::futimens(fd.get(), times) == 0);
    }
    SUBCASE("a mode") { REQUIRE(::fchmodat(files.fd(), "a", 0600, 0) == 0); }
    SUBCASE("a file that goes") { files.remove_tree("b"); }
    SUBCASE("a file that comes") { write_file_atomically(files, "c", "", Durability::none); }
    SUBCASE("a file that moves up") { REQUIRE(::renameat(files.fd(), "b", delta.fd(), "files/b") == 0); }
    CHECK_FALSE(is_sealed(deltas, "delta"));
    seal();
}

TEST_CASE("a seal stays whole where the delta is moved as a whole") {
    Place place;
    const Directory& deltas = place.temporary.directory();
    Directory delta = place.fresh("delta");
    write_file_atomically(delta.make_directory(at("/files")), "a", "alpha", Durability::none);
    write_seal(delta);
    REQUIRE(::renameat(deltas.fd(), "delta", deltas.fd(), "other") == 0);
    CHECK(is_sealed(deltas, "other"));
    CHECK_FALSE(is_sealed(deltas, "delta"));
}

TEST_CASE("check_upper names what is not as the delta has it, and nothing else") {
    NEEDS_ROOT();
    Draft draft;
    draft.put("/d", directory()).file("/d/a", "alpha").file("/d/b", "beta").file("/implied/c", "gamma");
    Entry link;
    link.kind = EntryKind::symlink;
    link.mode = 0777;
    link.link_target = "a";
    draft.put("/d/link", link).change("/gone", ChangeKind::remove).change("/opaque", ChangeKind::empty, directory());
    const TreeDelta delta = draft.build();
    Place place;
    Directory upper = place.fresh("upper");
    draft.lay_down(delta, upper);
    const int fd = upper.fd();
    auto faults = [&] { return check_upper(upper, delta, OverlaySpelling::trusted); };
    CHECK(faults().empty());

    Fd file = upper.open(at("/d/a"), O_WRONLY, FollowLinks::never);
    REQUIRE(::pwrite(file.get(), "ALPHA", 5, 0) == 5);
    REQUIRE(::fchmodat(fd, "d/b", 0600, 0) == 0);
    REQUIRE(::unlinkat(fd, "d/link", 0) == 0);
    REQUIRE(::symlinkat("b", fd, "d/link") == 0);
    REQUIRE(::unlinkat(fd, "gone", 0) == 0);
    REQUIRE(::mkdirat(fd, "implied/more", 0755) == 0);
    REQUIRE(::fremovexattr(upper.open_directory(at("/opaque"), FollowLinks::never).fd(), "trusted.overlay.opaque") ==
            0);
    CHECK(faults() == std::vector<std::string>{"/d/a has another content", "/d/b has another mode",
                                               "/d/link leads to another place", "/gone is missing",
                                               "/implied/more does not belong there", "/opaque is of another kind"});
}
