// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <exception>
#include <memory>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/temporary_directory.h"
#include "base/test_support.h"
#include "builder/image/output.h"
#include "layerstore/tree/algebra.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;
using imgbuild::test::refusal;

namespace {

ImagePath at(std::string_view text) { return ImagePath::clean(text); }

// Runs as nobody where the tests run as root, whom no mode keeps out.
struct AsNobody {
    bool root = ::geteuid() == 0;
    AsNobody() {
        if (root && ::seteuid(65534) != 0) throw_errno("become", "nobody");
    }
    ~AsNobody() {
        if (root && ::seteuid(0) != 0) std::terminate();
    }
};

// A tree in the making, and a folder with the directory "out" that it is written to.
struct Place {
    TemporaryDirectory scratch = TemporaryDirectory::create();
    std::string out = scratch.path() + "/out";
    std::shared_ptr<MemoryContents> memory = std::make_shared<MemoryContents>();
    ContentSources contents;
    std::vector<Change> changes;
    std::vector<LinkGroup> links;

    Place() { contents.add(memory); }

    Entry& put(std::string_view path, EntryKind kind, std::uint16_t mode) {
        changes.push_back({at(path), ChangeKind::put, {}});
        Entry& entry = changes.back().entry;
        entry.kind = kind;
        entry.mode = mode;
        entry.mtime = {1'000'000'000, 7};
        return entry;
    }
    Entry& file(std::string_view path, const std::string& content, std::uint16_t mode = 0644) {
        Entry& entry = put(path, EntryKind::file, mode);
        entry.size = content.size();
        entry.content = memory->add(content);
        return entry;
    }
    void directory(std::string_view path, std::uint16_t mode = 0755) { put(path, EntryKind::directory, mode); }
    void symlink(std::string_view path, const std::string& target) {
        put(path, EntryKind::symlink, 0777).link_target = target;
    }

    Tree tree() const { return apply(Tree(), TreeDelta::build(changes, links)); }
    void write() { write_tree_directory(tree(), contents, out); }

    Directory folder() const { return Directory::open_host(out); }
    std::string read(std::string_view path) const { return folder().read_file(at(path), 1 << 20); }
    struct stat status(std::string_view path) const {
        return folder().status(at(path)).value();
    }
    bool exists(std::string_view path) const { return folder().status(at(path)).has_value(); }
    unsigned mode(std::string_view path) const { return status(path).st_mode & 07777; }
    std::string target(std::string_view path) const {
        char text[256];
        const ssize_t size = ::readlink((out + "/" + std::string(path)).c_str(), text, sizeof text);
        return size < 0 ? "no link" : std::string(text, static_cast<std::size_t>(size));
    }
    void make_file(const std::string& path, const std::string& content) const {
        write_file_atomically(Directory::create_host(out), path, content, Durability::none);
    }
    void make_link(const std::string& path, const std::string& to) const {
        Directory::create_host(out);
        REQUIRE(::symlink(to.c_str(), (out + "/" + path).c_str()) == 0);
    }
};

bool has_time(const struct stat& status) {
    return status.st_mtim.tv_sec == 1'000'000'000 && status.st_mtim.tv_nsec == 7;
}

// Both users that a build has: root where the tests run as root, and an ordinary one.
void as_each_user(const std::function<void()>& action) {
    if (::geteuid() == 0) {
        INFO("as root");
        action();
    }
    INFO("as an ordinary user");
    const AsNobody nobody;
    action();
}

}  // namespace

TEST_CASE("tree: everything stands in a new directory with its mode and time") {
    as_each_user([] {
        Place place;
        place.directory("d", 0750);
        place.file("d/deep/file", "content", 0640);
        place.directory("d/deep", 01777);
        place.file("d/tool", "tool", 06755);
        place.file("empty", "", 0);
        place.symlink("d/link", "../nowhere/at all");
        place.put("pipe", EntryKind::fifo, 0620);
        place.out += "/new/";
        place.write();
        CHECK(place.read("d/deep/file") == "content");
        CHECK(place.status("empty").st_size == 0);
        CHECK(place.target("d/link") == "../nowhere/at all");
        CHECK(S_ISFIFO(place.status("pipe").st_mode));
        CHECK(place.mode("d") == 0750);
        CHECK(place.mode("d/deep") == 01777);
        CHECK(place.mode("d/deep/file") == 0640);
        CHECK(place.mode("d/tool") == 06755);
        CHECK(place.mode("empty") == 0);
        CHECK(place.mode("pipe") == 0620);
        for (const char* path : {"d", "d/deep", "d/deep/file", "d/tool", "empty", "d/link", "pipe"}) {
            INFO(path);
            CHECK(has_time(place.status(path)));
        }
    });
}

TEST_CASE("tree: directories that nobody may write or enter are filled, also a second time") {
    as_each_user([] {
        Place place;
        place.directory("closed", 0);
        place.directory("closed/read", 0555);
        place.file("closed/read/file", "first", 0444);
        place.file("z", "", 0444);
        place.file("closed/read/also z", "", 0444);
        place.links = {{at("closed/read/also z"), at("z")}};
        place.write();
        CHECK(place.mode("closed") == 0);
        place.changes.clear();
        place.links.clear();
        place.directory("closed", 0111);
        place.directory("closed/read", 0500);
        place.file("closed/read/file", "second", 0400);
        place.write();
        CHECK(place.mode("closed") == 0111);
        CHECK(has_time(place.status("closed")));
        CHECK(place.mode("closed/read") == 0500);
        CHECK(place.read("closed/read/file") == "second");
        CHECK(place.exists("closed/read/also z"));
    });
}

TEST_CASE("tree: hard links are one file, and a file that was one with another is not changed with it") {
    as_each_user([] {
        Place place;
        place.make_file("b", "older");
        REQUIRE(::link((place.out + "/b").c_str(), (place.out + "/kept").c_str()) == 0);
        for (const char* path : {"a", "b", "d/c"}) place.file(path, "same", 0600);
        place.links = {{at("a"), at("b"), at("d/c")}};
        for (int round = 0; round < 2; ++round) {
            place.write();
            CHECK(place.status("a").st_nlink == 3);
            CHECK(place.status("a").st_ino == place.status("d/c").st_ino);
            CHECK(place.status("a").st_ino == place.status("b").st_ino);
        }
        CHECK(place.read("kept") == "older");
    });
}

TEST_CASE("tree: what stands there is merged: directories stay, files and links are replaced") {
    as_each_user([] {
        Place place;
        place.make_file("mine", "mine");
        place.make_file("both", "older");
        place.make_file("was a file", "older");
        Directory::open_host(place.out).make_directory(at("d"));
        write_file_atomically(Directory::open_host(place.out + "/d"), "mine", "mine", Durability::none);
        place.make_link("link", "mine");
        place.make_link("now a file", "mine");
        place.file("both", "newer");
        place.file("d/new", "new");
        place.file("was a file/new", "new");
        place.file("now a file", "newer");
        place.symlink("link", "both");
        place.write();
        CHECK(place.read("mine") == "mine");
        CHECK(place.read("d/mine") == "mine");
        CHECK(place.read("d/new") == "new");
        CHECK(place.read("both") == "newer");
        CHECK(place.read("was a file/new") == "new");
        CHECK(place.read("now a file") == "newer");
        CHECK(place.target("link") == "both");
        for (const std::string& name : Directory::open_host(place.out).list()) CHECK(!name.starts_with(".new-"));
    });
}

TEST_CASE("tree: links in the destination lead nowhere, but the destination may be one") {
    as_each_user([] {
        Place place;
        const Directory outside = Directory::create_host(place.scratch.path() + "/outside");
        write_file_atomically(outside, "passwd", "secret", Durability::none);
        place.make_link("etc", "../outside");
        place.make_link("file", "../outside/passwd");
        place.make_link("new", "../outside/new");
        place.file("etc/passwd", "forged", 0777);
        place.file("file", "forged", 0777);
        place.directory("new", 0700);
        const struct stat before = outside.status(at("")).value();
        REQUIRE(::symlink("out", (place.scratch.path() + "/way").c_str()) == 0);
        write_tree_directory(place.tree(), place.contents, place.scratch.path() + "/way");
        CHECK(outside.list() == std::vector<std::string>{"passwd"});
        CHECK(outside.read_file(at("passwd"), 100) == "secret");
        CHECK((outside.status(at("passwd"))->st_mode & 07777) == 0644);
        CHECK(outside.status(at(""))->st_mode == before.st_mode);
        CHECK(place.read("etc/passwd") == "forged");
        CHECK(S_ISDIR(place.status("etc").st_mode));
        CHECK(S_ISDIR(place.status("new").st_mode));
    });
}

TEST_CASE("what the tree does not have stays, or goes where that is asked for, also links to what is outside") {
    Place place;
    place.file("/kept", "new");
    place.directory("/folder");
    place.file("/folder/kept", "new");
    place.file("/was-a-folder", "file");
    place.write();
    const auto put_strangers = [&] {
        const Directory folder = place.folder();
        write_file_atomically(folder, "stranger", "x", Durability::none);
        write_file_atomically(folder.make_directory(at("/folder/deep")), "stranger", "x", Durability::none);
        REQUIRE(::symlinkat("..", folder.fd(), "way-out") == 0);
    };
    put_strangers();
    place.write();
    for (const char* path : {"/stranger", "/folder/deep/stranger", "/way-out"}) CHECK(place.exists(path));
    place.folder().remove_tree("was-a-folder");
    write_file_atomically(place.folder().make_directory(at("/was-a-folder")), "x", "x", Durability::none);
    const Directory outside = Directory::open_host(place.scratch.path());
    write_file_atomically(outside, "beside", "x", Durability::none);
    write_tree_directory(place.tree(), place.contents, place.out, OtherFiles::remove);
    for (const char* path : {"/stranger", "/folder/deep", "/way-out"}) CHECK_FALSE(place.exists(path));
    CHECK(place.read("/folder/kept") == "new");
    CHECK(place.read("/was-a-folder") == "file");
    CHECK(outside.status(at("/beside")));
}

TEST_CASE("nobody's root, home or working directory is emptied for a result") {
    Place place;
    for (const char* path : {"/", ".", ".."})
        CHECK(refusal([&] {
                  write_tree_directory(place.tree(), place.contents, path, OtherFiles::remove);
              }).ends_with("is not emptied for a result"));
}
