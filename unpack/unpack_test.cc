// SPDX-License-Identifier: Apache-2.0
#include "unpack/unpack.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/compression.h"
#include "base/error.h"
#include "layerstore/layer/tar_reader.h"
#include "layerstore/layer/tar_writer.h"
#include "unpack/confine.h"

using namespace imgbuild;
using namespace imgbuild::layerstore;

namespace {

// A header whose fields are not those of a sound archive, with the checksum put right again.
std::string changed(std::string header, std::size_t offset, std::string_view bytes) {
    header.replace(offset, bytes.size(), bytes);
    header.replace(148, 8, "        ");
    unsigned sum = 0;
    for (char c : header) sum += static_cast<unsigned char>(c);
    return header.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
}

std::string named(std::string_view name, char type = '0', std::string_view link = {}) {
    Entry entry;
    std::string header = tar_header(ImagePath::clean("x"), entry);
    header = changed(header, 0, std::string(name) + '\0');
    header = changed(header, 157, link);
    return changed(header, 156, std::string(1, type));
}

std::string file(std::string_view path, std::string_view bytes) {
    Entry entry;
    entry.size = bytes.size();
    std::string out = tar_header(ImagePath::clean(path), entry) + std::string(bytes);
    return out.append(tar_padding(bytes.size()), '\0');
}

std::string archive_of(std::string_view members) { return std::string(members) + std::string(tar_end()); }

struct Result {
    std::optional<unpack::Unpacked> unpacked;
    std::string tar;
};

Result run(std::string_view archive, const TarLimits& limits = {}) {
    MemoryReader in(archive);
    MemoryWriter out;
    auto unpacked = unpack::unpack_archive(in, out, limits);
    return {unpacked, out.take()};
}

std::string message_of(std::string_view archive, const TarLimits& limits = {}) {
    try {
        run(archive, limits);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::invalid_input);
        return error.message();
    }
    return "no error";
}

std::vector<std::string> names_of(const std::string& tar) {
    MemoryReader in(tar);
    TarReader reader(in, "out");
    std::vector<std::string> names;
    while (auto entry = reader.next()) names.push_back(entry->name);
    return names;
}

}  // namespace

TEST_CASE("our own tar comes out as it went in") {
    std::string tar = archive_of(file("a", "hello") + file("d/b", std::string(70'000, 'b')));
    Result result = run(tar);
    REQUIRE(result.unpacked);
    CHECK(result.unpacked->entries == 2);
    CHECK(result.unpacked->bytes == 70'005);
    CHECK(result.tar == tar);
    for (Compression compression : {Compression::gzip, Compression::zstd})
        CHECK(run(compress_chunk(tar, compression, default_level(compression))).tar == tar);
}

TEST_CASE("what is no archive leaves nothing behind") {
    std::string tar = archive_of(file("a", "hello"));
    std::string twice = compress_chunk(compress_chunk(tar, Compression::gzip, 4), Compression::gzip, 4);
    for (const std::string& bytes :
         {std::string(), std::string("#!/bin/sh\n"), std::string(20'000, '\0'), std::string("\x1f\x8b\x08 no gzip"),
          std::string("BZh is how this text begins"), compress_chunk("text", Compression::gzip, 4), twice}) {
        Result result = run(bytes);
        CHECK_FALSE(result.unpacked);
        CHECK(result.tar.empty());
    }
}

TEST_CASE("an archive that is cut short or damaged is an error, whatever the compression") {
    std::string tar = archive_of(file("a", std::string(2000, 'a')));
    CHECK(message_of(tar.substr(0, 1000)) == "archive: Truncated tar archive");
    std::string packed = compress_chunk(tar, Compression::gzip, 4);
    CHECK(message_of(packed.substr(0, packed.size() - 8)) == "archive: the gzip stream is cut short");
    packed[packed.size() - 8] ^= 1;
    CHECK(message_of(packed) == "archive: not a sound gzip stream (incorrect data check)");
    std::string_view xz("\xfd\x37zXZ\0\0\4\xe6\xd6\xb4\x46", 12);
    CHECK(message_of(xz).starts_with("archive: "));
}

TEST_CASE("names are cleaned, and one that leaves the archive is refused") {
    Result result = run(archive_of(named("/abs//./name") + named("./dir/", '5')));
    CHECK(names_of(result.tar) == std::vector<std::string>{"abs/name", "dir/"});
    CHECK(names_of(run(archive_of(named("d/../e") + named("x/./y/../../z") + named("f/..", '5'))).tar) ==
          std::vector<std::string>{"e", "z", "./"});
    for (const char* name : {"../a", "a/../../b", "/../a", "..", "a/../.."})
        CHECK(message_of(archive_of(named(name))) ==
              fmt::format("archive: {}: a name that leaves the archive or is too long", name));
    CHECK(message_of(archive_of(named("l", '1', "../../etc/passwd"))) ==
          "archive: l: a target that leaves the archive or is too long");
}

TEST_CASE("a name that means a deletion in a layer is refused") {
    CHECK(message_of(archive_of(named("d/.wh.etc"))) ==
          "archive: d/.wh.etc: a name that layers keep for deletions (\".wh.\")");
    CHECK(message_of(archive_of(named(".wh.d/x"))) != "no error");
}

TEST_CASE("links, devices and pipes are kept; links to nothing and a root that is a file are not") {
    Result result = run(archive_of(file("a", "x") + named("hard", '1', "/a") + named("soft", '2', "../up") +
                                   named("null", '3') + named("pipe", '6') + named("./", '5')));
    MemoryReader in(result.tar);
    TarReader reader(in, "out");
    CHECK(reader.next()->name == "a");
    auto hard = reader.next();
    CHECK(hard->is_hard_link);
    CHECK(hard->link_name == "a");
    CHECK(reader.next()->entry.link_target == "../up");
    CHECK(reader.next()->entry.kind == EntryKind::character_device);
    CHECK(reader.next()->entry.kind == EntryKind::fifo);
    CHECK(reader.next()->name == "./");
    CHECK_FALSE(reader.next());
    CHECK(message_of(archive_of(named("l", '2'))) == "archive: l: a symbolic link to nothing");
    CHECK(message_of(archive_of(named("."))) == "archive: .: the root is no directory");
}

TEST_CASE("owners and times that nothing can hold are refused") {
    std::string plain = named("f");
    CHECK(message_of(archive_of(changed(plain, 108, std::string(8, '\xff')))) ==
          "archive: f: an owner that does not exist");
    std::string far = changed(plain, 136, std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12));
    CHECK(message_of(archive_of(far)) == "archive: f: a time that does not exist");
}

TEST_CASE("an archive beyond the limits is refused") {
    TarLimits few;
    few.max_entries = 2;
    CHECK(message_of(archive_of(named("a") + named("b") + named("c")), few) == "archive: c: more than 2 entries");
    TarLimits small;
    small.max_file_bytes = 4;
    CHECK(message_of(archive_of(file("a", "hello")), small) == "archive: a: larger than 4 B");
    std::string endless = compress_chunk(changed(named("z"), 124, "77777777777"), Compression::zstd, 3);
    // By the library itself: our own compressor pads what would be refused.
    const std::string mebibyte(1 << 20, '\0');
    std::string zeros(ZSTD_compressBound(mebibyte.size()), '\0');
    zeros.resize(ZSTD_compress(zeros.data(), zeros.size(), mebibyte.data(), mebibyte.size(), 3));
    for (int i = 0; i < 100; ++i) endless += zeros;
    CHECK(message_of(endless) == "archive: unpacks to more than 1000 times its size");
}

TEST_CASE("attributes that images hold are kept, others are not") {
    Entry entry;
    entry.xattrs = std::make_shared<Xattrs>(Xattrs{
        {"security.capability", "cap"}, {"security.selinux", "x"}, {"trusted.overlay.opaque", "y"}, {"user.a", "1"}});
    Result result = run(archive_of(tar_header(ImagePath::clean("f"), entry)));
    entry.xattrs = std::make_shared<Xattrs>(Xattrs{{"security.capability", "cap"}, {"user.a", "1"}});
    CHECK(result.tar == archive_of(tar_header(ImagePath::clean("f"), entry)));
}

TEST_CASE("a confined process opens, connects and starts nothing") {
    pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        unpack::Confinement walls = unpack::confine();
        int problems = 0;
        problems += ::open("/dev/null", O_RDONLY) >= 0;
        problems += ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
        if (walls.filters_system_calls) {
            problems += ::fork() >= 0 || errno != EPERM;
            problems += ::kill(::getpid(), 0) == 0;
        }
        ::_exit(problems);
    }
    int status = -1;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
}
