// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/unpack.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "base/error.h"
#include "base/process.h"
#include "base/temporary_directory.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/layer/tar_reader.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::layerstore;

namespace {

struct Found {
    TarEntry entry;
    std::string bytes;
};
using Contents = std::map<std::string, Found>;

// A folder with one of each thing, and what tar makes of it.
class Folder {
  public:
    Folder() {
        ::mkdir(top().c_str(), 0755);
        std::ofstream(at("plain")) << "hello";
        ::mkdir(at("dir").c_str(), 0750);
        ::link(at("plain").c_str(), at("dir/hard").c_str());
        ::symlink("../plain", at("dir/soft").c_str());
        ::mkfifo(at("pipe").c_str(), 0600);
        std::ofstream(at("dir/" + long_name())) << "long";
        std::ofstream(at("caf\xc3\xa9")) << "composed";
        std::ofstream(at("cafe\xcc\x81")) << "decomposed";
        std::ofstream(at("latin\xe9")) << "latin";
        std::ofstream sparse(at("sparse"));
        sparse.seekp(1'000'000) << "middle";
        sparse.close();
        REQUIRE(::truncate(at("sparse").c_str(), 3'000'000) == 0);
    }
    static std::string long_name() { return std::string(200, 'n'); }
    std::string at(const std::string& name) const { return top() + "/" + name; }

    /// The path of an archive outside the folder, made by the system's tar.
    std::string pack(std::vector<std::string> options) const {
        static int number = 0;
        std::string archive = fmt::format("{}/{}.tar", folder_.path(), ++number);
        std::vector<std::string> arguments{"tar", "-C", top(), "-cf", archive};
        arguments.insert(arguments.end(), options.begin(), options.end());
        arguments.push_back(".");
        auto done = run_and_capture({.arguments = arguments});
        REQUIRE_MESSAGE(done.status.ok(), done.standard_error);
        return archive;
    }
    std::string write(const std::string& bytes) const {
        std::string path = folder_.path() + "/made";
        std::ofstream(path, std::ios::binary) << bytes;
        return path;
    }

  private:
    std::string top() const { return folder_.path() + "/top"; }

    TemporaryDirectory folder_ = TemporaryDirectory::create();
};

Fd opened(const std::string& path) { return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

std::string bytes_of(const std::string& path) { return read_file(opened(path).get(), 1 << 30, path); }

Contents unpacked(const std::string& path) {
    Contents contents;
    bool is_archive = unpack_archive(opened(path), [&](ByteReader& tar) {
        TarReader reader(tar, "archive");
        while (auto entry = reader.next()) {
            std::string bytes;
            StreamBlock block;
            while (std::size_t count = reader.read(block.bytes())) bytes += as_text(block.bytes().first(count));
            contents[entry->name] = {*entry, std::move(bytes)};
        }
    });
    CHECK(is_archive);
    return contents;
}

std::string first_block(const std::string& path) { return bytes_of(path).substr(0, 512); }

void check_contents(const Folder& folder, const Contents& contents) {
    CHECK(contents.size() == 10);
    CHECK(contents.at("./").entry.entry.is_directory());
    CHECK(contents.at("dir/").entry.entry.mode == 0750);
    // Of the two names of one file the one that comes first holds the bytes.
    const Found& plain = contents.at("plain");
    const Found& hard = contents.at("dir/hard");
    CHECK(plain.entry.is_hard_link != hard.entry.is_hard_link);
    CHECK(plain.bytes + hard.bytes == "hello");
    CHECK(plain.entry.link_name + hard.entry.link_name == (plain.entry.is_hard_link ? "dir/hard" : "plain"));
    CHECK(contents.at("dir/soft").entry.entry.link_target == "../plain");
    CHECK(contents.at("pipe").entry.entry.kind == EntryKind::fifo);
    CHECK(contents.at("dir/" + Folder::long_name()).bytes == "long");
    CHECK(contents.at("caf\xc3\xa9").bytes == "composed");
    CHECK(contents.at("cafe\xcc\x81").bytes == "decomposed");
    CHECK(contents.at("sparse").bytes == bytes_of(folder.at("sparse")));
    struct stat status {};
    REQUIRE(::stat(folder.at("plain").c_str(), &status) == 0);
    CHECK(plain.entry.entry.mtime.seconds == status.st_mtim.tv_sec);
    CHECK(plain.entry.entry.uid == status.st_uid);
}

}  // namespace

TEST_CASE("archives of every dialect and compression give the same files") {
    Folder folder;
    ::unlink(folder.at("latin\xe9").c_str());
    const std::vector<std::vector<std::string>> ways{
        {"--format=gnu"},
        {"--format=gnu", "--sparse"},
        {"--format=pax"},
        {"--format=pax", "--sparse", "--sparse-version=0.0"},
        {"--format=pax", "--sparse", "--sparse-version=0.1"},
        {"--format=pax", "--sparse", "--sparse-version=1.0"},
        {"--format=pax", "--gzip"},
        {"--format=pax", "--bzip2"},
        {"--format=pax", "--xz"},
        {"--format=gnu", "--zstd"},
    };
    for (const auto& way : ways) {
        CAPTURE(way.back());
        std::string archive = folder.pack(way);
        CHECK(looks_like_archive(first_block(archive)));
        check_contents(folder, unpacked(archive));
    }
}

TEST_CASE("ustar, v7 and names that are not UTF-8 are read byte for byte") {
    Folder folder;
    for (const char* format : {"--format=ustar", "--format=v7"}) {
        std::string archive = folder.pack({format, "--exclude=nnn*", "--exclude=pipe"});
        Contents contents = unpacked(archive);
        CHECK(contents.size() == 9);
        CHECK(contents.at("latin\xe9").bytes == "latin");
    }
    CHECK(unpacked(folder.pack({"--format=pax"})).at("latin\xe9").bytes == "latin");
}

TEST_CASE("what comes out is a layer") {
    Folder folder;
    std::string archive = folder.pack({"--format=gnu", "--xz"});
    std::size_t changes = 0;
    CHECK(unpack_archive(opened(archive), [&](ByteReader& tar) {
        TreeDelta delta = read_layer(tar, Tree(), "archive");
        changes = delta.changes().size();
    }));
    CHECK(changes > 9);
}

TEST_CASE("what is no archive is left to be copied, and nobody is asked to read it") {
    Folder folder;
    auto refuse = [](ByteReader&) { FAIL("called"); };
    for (const std::string& bytes :
         {std::string(), std::string("plain text\n"), std::string(100'000, '\0'), std::string("\x1f\x8b\x08 no gzip"),
          std::string("PK\x03\x04 a zip"), std::string("#mtree\n./x type=file\n"), std::string("!<arch>\n")})
        CHECK_FALSE(unpack_archive(opened(folder.write(bytes)), refuse));
    CHECK_FALSE(looks_like_archive("plain text\n"));
    CHECK_FALSE(looks_like_archive(std::string(512, '\0')));
    CHECK_FALSE(looks_like_archive(""));
    std::string archive = folder.pack({"--gzip"});
    REQUIRE(run_and_capture({.arguments = {"gzip", "-k", "-S", ".gz", archive}}).status.ok());
    CHECK_FALSE(unpack_archive(opened(archive + ".gz"), refuse));
}

TEST_CASE("an archive that is cut short is an error, at whatever place") {
    Folder folder;
    for (const char* compression : {"--gzip", "--bzip2", "--xz", "--zstd"}) {
        std::string whole = bytes_of(folder.pack({"--format=gnu", compression}));
        for (std::size_t cut : {whole.size() - 1, whole.size() - 9}) {
            CAPTURE(compression);
            CAPTURE(cut);
            std::string path = folder.write(whole.substr(0, cut));
            CHECK_THROWS_AS(unpacked(path), Error);
        }
    }
    std::string plain = bytes_of(folder.pack({"--format=gnu"}));
    CHECK_THROWS_WITH_AS(unpacked(folder.write(plain.substr(0, plain.find("hello") + 2))),
                         "archive: Truncated tar archive", Error);
}

TEST_CASE("a name that leaves the archive is refused by the helper") {
    Folder folder;
    std::string archive = folder.pack({"--format=gnu", "--transform=s,^./plain$,../../outside,", "--absolute-names"});
    try {
        unpacked(archive);
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::invalid_input);
        CHECK(error.message().find("../../outside: a name that leaves the archive") != std::string::npos);
    }
}

TEST_CASE("a reader that gives up ends the helper and keeps its own error") {
    Folder folder;
    CHECK_THROWS_WITH_AS(unpack_archive(opened(folder.pack({"--format=gnu"})),
                                        [](ByteReader&) { throw Error(ErrorKind::no_space, "full"); }),
                         "full", Error);
}
