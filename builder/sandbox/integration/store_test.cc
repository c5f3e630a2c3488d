// SPDX-License-Identifier: Apache-2.0
// What the sandbox keeps in the store: materialised deltas, deep stacks, a full disk.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <exception>
#include <thread>

#include "base/directory.h"
#include "base/error.h"
#include "base/stream.h"
#include "builder/sandbox/integration/scene.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;

namespace {

std::uint64_t free_bytes(const std::string& path) {
    struct statvfs disk {};
    REQUIRE(::statvfs(path.c_str(), &disk) == 0);
    return std::uint64_t{disk.f_bavail} * disk.f_frsize;
}

std::string all_of(const Fd& file) {
    std::string text(256, '\0');
    ssize_t count = ::pread(file.get(), text.data(), text.size(), 0);
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
}

struct stat status_of(const std::string& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status;
}

}  // namespace

TEST_CASE("regular files of a delta are opened in order; what is none is an empty descriptor") {
    Scene scene;
    LayerDraft draft;
    draft.directory("/d").file("/d/a", "A").file("/secret", "S", 0000).link("/link", "d/a");
    DeltaId id = scene.materialise(TreeDelta::build(draft.changes), draft);
    std::vector<ImagePath> paths{at("/secret"), at("/missing"), at("/d/a"), at("/d"), at("/link"), at("/d/a")};
    std::vector<Fd> files = scene.sandbox().open_files(id, paths);
    REQUIRE(files.size() == 6);
    CHECK(all_of(files[0]) == "S");
    CHECK_FALSE(files[1]);
    CHECK(all_of(files[2]) == "A");
    CHECK_FALSE(files[3]);
    CHECK_FALSE(files[4]);
    CHECK(all_of(files[5]) == "A");
    CHECK(scene.sandbox().open_files(id, {}).empty());
}

TEST_CASE("hundreds of files are opened at once, also those of other users") {
    Scene scene;
    LayerDraft draft;
    std::vector<ImagePath> paths;
    for (int i = 0; i < 300; ++i) {
        paths.push_back(at(fmt::format("/f{}", i)));
        draft.file(paths.back().bytes(), std::to_string(i), 0600);
        draft.last().uid = 1000;
    }
    DeltaId id = scene.materialise(TreeDelta::build(draft.changes), draft);
    std::vector<Fd> files = scene.sandbox().open_files(id, paths);
    REQUIRE(files.size() == 300);
    for (int i = 0; i < 300; ++i) CHECK(all_of(files[static_cast<std::size_t>(i)]) == std::to_string(i));
}

TEST_CASE("files on disk belong to the ids that stand for those of the image") {
    Scene scene;
    LayerDraft draft;
    draft.file("/mine", "m").file("/theirs", "t");
    draft.last().uid = 1000;
    draft.last().gid = 1001;
    DeltaId id = scene.materialise(TreeDelta::build(draft.changes), draft);
    std::string files = scene.store() + "/deltas/" + scene.sandbox().spelling() + "/" + id.value.hex() + "/files";
    struct stat mine = status_of(files + "/mine"), theirs = status_of(files + "/theirs");
    CHECK(mine.st_uid == ::geteuid());
    if (test_rung().mode != RootMode::userns) {
        CHECK(theirs.st_uid == 1000);
        return;
    }
    const IdRange& users = test_rung().uid_map.at(1);
    const IdRange& groups = test_rung().gid_map.at(1);
    CHECK(theirs.st_uid == users.outside + 1000 - users.inside);
    CHECK(theirs.st_gid == groups.outside + 1001 - groups.inside);
}

TEST_CASE("two callers who materialise one delta at once both have it afterwards") {
    Scene scene;
    LayerDraft draft;
    for (int i = 0; i < 200; ++i) draft.file(fmt::format("/f{}", i), std::string(10000, static_cast<char>(i)));
    TreeDelta delta = TreeDelta::build(draft.changes);
    std::string tar = tar_of(delta, draft);
    auto other = scene.another();
    std::vector<std::exception_ptr> problems(4);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < problems.size(); ++i)
        threads.emplace_back([&, i] {
            try {
                MemoryReader reader(tar);
                (i % 2 == 0 ? scene.sandbox() : *other).materialise(delta.id(), reader);
            } catch (...) {
                problems[i] = std::current_exception();
            }
        });
    for (std::thread& thread : threads) thread.join();
    for (const auto& problem : problems) CHECK_FALSE(problem);
    CHECK(scene.sandbox().has(delta.id()));
    CHECK(other->has(delta.id()));
}

TEST_CASE("a delta is there after materialise and not before, nor after remove") {
    Scene scene;
    LayerDraft draft;
    draft.file("/f", "F");
    TreeDelta delta = TreeDelta::build(draft.changes);
    CHECK_FALSE(scene.sandbox().has(delta.id()));
    scene.materialise(delta, draft);
    CHECK(scene.sandbox().has(delta.id()));
    scene.sandbox().remove(delta.id());
    CHECK_FALSE(scene.sandbox().has(delta.id()));
    scene.sandbox().remove(delta.id());  // nothing is fine, too
}

TEST_CASE("a delta whose files were changed is found out by stat, and what is wrong by reading") {
    Scene scene;
    LayerDraft draft;
    draft.directory("/d").file("/d/a", "A").file("/b", "B", 0600);
    const TreeDelta delta = TreeDelta::build(draft.changes);
    const DeltaId id = scene.materialise(delta, draft);
    Sandbox& sandbox = scene.sandbox();
    const std::vector<DeltaId> asked{id, scene.layers().at(0)};
    CHECK(sandbox.changed(asked).empty());
    CHECK(sandbox.check(id, delta).empty());
    const std::string file = scene.store() + "/deltas/" + sandbox.spelling() + "/" + id.value.hex() + "/files/d/a";
    ::usleep(20'000);              // a tick of the clock that the kernel stamps files with
    if (::geteuid() != 0) return;  // the file belongs to an id that only the sandbox can write as
    Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    REQUIRE(::pwrite(fd.get(), "X", 1, 0) == 1);
    CHECK(sandbox.changed(asked) == std::vector<DeltaId>{id});
    CHECK(sandbox.check(id, delta) == std::vector<std::string>{"/d/a has another content"});
}

TEST_CASE("a command keeps the files of a delta that is taken away or replaced while it runs") {
    Scene scene;
    LayerDraft draft;
    draft.file("/kept", "still here\n");
    const DeltaId id = scene.add_layer(draft);
    Ran ran;
    std::thread runner([&] { ran = scene.run("sleep 1; cat /kept"); });
    ::usleep(500'000);
    auto other = scene.another();
    other->remove(id);
    CHECK_FALSE(other->has(id));
    runner.join();
    CHECK(ran.output == "still here\n");
    // The next helper sweeps what nobody holds any more.
    scene.another()->remove(id);
    const std::string folder = scene.store() + "/deltas/" + scene.sandbox().spelling();
    CHECK(Directory::open_host(folder + "/retired").list().empty());
    const Directory pending = Directory::open_host(folder + "/pending");
    for (const std::string& name : pending.list()) CHECK_FALSE(pending.status(ImagePath().child(name).child("files")));
}

TEST_CASE("a reader that fails in the middle leaves no delta, and the error is its own") {
    Scene scene;
    LayerDraft draft;
    draft.file("/f", std::string(3 << 20, 'x'));
    TreeDelta delta = TreeDelta::build(draft.changes);
    class Failing final : public ByteReader {
      public:
        Failing(const std::string& bytes, ErrorKind kind) : inner_(bytes), kind_(kind) {}
        std::size_t read(std::span<std::byte> buffer) override {
            if (read_ > (1 << 20)) throw Error(kind_, "test: the blob is damaged");
            std::size_t count = inner_.read(buffer);
            read_ += count;
            return count;
        }

      private:
        MemoryReader inner_;
        ErrorKind kind_;
        std::size_t read_ = 0;
    };
    std::string tar = tar_of(delta, draft);
    for (ErrorKind kind : {ErrorKind::corrupt, ErrorKind::unavailable}) {
        Failing reader(tar, kind);
        try {
            scene.sandbox().materialise(delta.id(), reader);
            FAIL("nothing was thrown");
        } catch (const Error& error) {
            CHECK(error.message() == "test: the blob is damaged");
        }
    }
    CHECK_FALSE(scene.sandbox().has(delta.id()));
    scene.materialise(delta, draft);
    CHECK(scene.sandbox().has(delta.id()));
}

TEST_CASE("a stack of more layers than the kernel takes works, and grows") {
    Scene scene;
    for (int i = 0; i < 520; ++i) {
        LayerDraft draft;
        draft.file("/top", std::to_string(i));
        if (i % 100 == 0) draft.directory(fmt::format("/d{}", i)).file(fmt::format("/d{}/f", i), "x");
        if (i == 510) draft.remove("/d100").opaque("/d200");
        scene.add_layer(draft);
    }
    CHECK(scene.run("cat /top; ls -d /d[0-9]*; ls /d200").output == "519/d0\n/d200\n/d300\n/d400\n/d500\n");
    CHECK(describe(scene.run_and_keep(scene.shell("echo more > /d0/g; rm -r /d300"))) ==
          "put /d0/g file 644 0:0 size=5\nremove /d300\n");
    CHECK(scene.run("ls /d0; ls -d /d[0-9]*").output == "f\ng\n/d0\n/d200\n/d400\n/d500\n");
}

TEST_CASE("a delta that stands in a stack twice counts where it is highest") {
    Scene scene;
    auto again = [] { return LayerDraft().file("/a", "again").directory("/d").file("/d/f", "x"); };
    scene.add_layer(again());
    scene.add_layer(LayerDraft().file("/a", "between").remove("/d"));
    scene.add_layer(again());
    CHECK(scene.layers()[1] == scene.layers()[3]);
    CHECK(scene.run("cat /a; ls /d").output == "againf\n");
}

TEST_CASE("a command on a full disk fails as a command and leaves nothing") {
    SmallDisk disk;
    Scene scene(test_rung(), disk.path());
    scene.run("true");  // lays the image down
    const std::uint64_t free_before = free_bytes(disk.path());
    Ran ran = scene.run("dd if=/dev/zero of=/big bs=1M count=100");
    CHECK(ran.status.code == 1);
    CHECK(ran.output.find("No space left on device") != std::string::npos);
    ran = Ran();
    // The helper discards it, and nobody else waits for that.
    for (int i = 0; i < 1000 && free_bytes(disk.path()) < free_before; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(free_bytes(disk.path()) >= free_before);
    CHECK(scene.run("echo fits > /small; cat /small").output == "fits\n");
}

TEST_CASE("materialising on a full disk is an error of space and leaves no delta") {
    SmallDisk disk;
    Scene scene(test_rung(), disk.path());
    LayerDraft draft;
    std::string noise(60 << 20, 'x');
    draft.file("/big", std::move(noise));
    TreeDelta delta = TreeDelta::build(draft.changes);
    try {
        scene.materialise(delta, draft);
        FAIL("nothing was thrown");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::no_space);
    }
    CHECK_FALSE(scene.sandbox().has(delta.id()));
    CHECK(scene.run("echo fits > /small; cat /small").output == "fits\n");
}
