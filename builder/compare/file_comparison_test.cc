// SPDX-License-Identifier: Apache-2.0
#include "builder/compare/file_comparison.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/compression.h"

namespace imgbuild::builder {
namespace {

using namespace std::string_literals;

// "time: line 1: 06:29:27 | 06:29:28", one line for each finding.
std::string said(const FileFindings& findings) {
    std::string text;
    for (const Finding& finding : findings.list)
        text +=
            fmt::format("{}: {}: {} | {}\n", about(finding.kind).name, finding.where, finding.before, finding.after);
    return text;
}

std::string compare(std::string_view before, std::string_view after, std::string_view path = "/file") {
    return said(compare_file_bytes(path, before, after));
}

std::string little(std::uint64_t value, std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
    return bytes;
}

std::string big(std::uint64_t value, std::size_t size) {
    std::string bytes = little(value, size);
    std::ranges::reverse(bytes);
    return bytes;
}

std::string gzip(std::string_view content, std::uint32_t time = 0, const std::string& name = "", int level = 4) {
    std::string bytes = compress_chunk(content, Compression::gzip, level);
    bytes.replace(4, 4, little(time, 4));
    if (name.empty()) return bytes;
    bytes[3] = '\x08';
    return bytes.substr(0, 10) + name + '\0' + bytes.substr(10);
}

std::string ar_member(const std::string& name, std::int64_t time, int user, const std::string& data) {
    return fmt::format("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", name, time, user, 0, "100644", data.size()) + data +
           (data.size() % 2 == 1 ? "\n" : "");
}
std::string ar(const std::string& members) { return "!<arch>\n" + members; }

struct ZipFile {
    std::string name, data;
    std::uint16_t time = 0, date = 33;
    std::uint32_t attributes = 0;
    std::string extra;
};

std::string zip(const std::vector<ZipFile>& files) {
    std::string bytes, directory;
    for (const ZipFile& file : files) {
        // The sum is not what it should be; it only has to differ where the data does.
        std::uint32_t sum = 7;
        for (const char c : file.data) sum = sum * 31 + static_cast<unsigned char>(c);
        const std::string common = little(20, 2) + little(0, 4) + little(file.time, 2) + little(file.date, 2) +
                                   little(sum, 4) + little(file.data.size(), 4) + little(file.data.size(), 4) +
                                   little(file.name.size(), 2);
        directory += "PK\x01\x02"s + little(20, 2) + common + little(file.extra.size(), 2) + little(0, 6) +
                     little(file.attributes, 4) + little(bytes.size(), 4) + file.name + file.extra;
        bytes += "PK\x03\x04"s + common + little(0, 2) + file.name + file.data;
    }
    return bytes + directory + "PK\x05\x06"s + little(0, 4) + little(files.size(), 2) + little(files.size(), 2) +
           little(directory.size(), 4) + little(bytes.size(), 4) + little(0, 2);
}

std::string tar_entry(const std::string& name, std::uint64_t time, unsigned user, const std::string& data) {
    std::string head(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) { head.replace(at, text.size(), text); };
    put(0, name);
    put(100, "0000644");
    put(108, fmt::format("{:07o}", user));
    put(116, "0000000");
    put(124, fmt::format("{:011o}", data.size()));
    put(136, fmt::format("{:011o}", time));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0"s + "00");
    unsigned sum = 0;
    for (const char c : head) sum += static_cast<unsigned char>(c);
    put(148, fmt::format("{:06o}", sum) + "\0 "s);
    return head + data + std::string((512 - data.size() % 512) % 512, '\0');
}
std::string tar(const std::string& entries) { return entries + std::string(1024, '\0'); }

struct Section {
    std::string name, data;
};

std::string elf(const std::vector<Section>& sections) {
    std::string names("\0", 1), data, table(64, '\0');
    const auto add = [&](const std::string& name, const std::string& bytes) {
        table += little(names.size(), 4) + little(1, 4) + little(0, 16) + little(64 + data.size(), 8) +
                 little(bytes.size(), 8) + little(0, 24);
        names += name + '\0';
        data += bytes;
    };
    for (const Section& section : sections) add(section.name, section.data);
    const std::string all_names = names + ".shstrtab"s + '\0';
    add(".shstrtab", all_names);
    const std::size_t count = sections.size() + 2;
    return "\x7f"s + "ELF\x02\x01\x01" + std::string(9, '\0') + little(2, 2) + little(62, 2) + little(1, 4) +
           little(0, 16) + little(64 + data.size(), 8) + little(0, 4) + little(64, 2) + little(0, 4) + little(64, 2) +
           little(count, 2) + little(count - 1, 2) + data + table;
}
std::string build_id(char digit) {
    return little(4, 4) + little(20, 4) + little(3, 4) + "GNU\0"s + std::string(20, digit);
}

std::string png_chunk(const std::string& type, const std::string& data) {
    return big(data.size(), 4) + type + data + "summ";
}
std::string png(const std::string& chunks) { return "\x89PNG\r\n\x1a\n" + chunks; }

TEST_CASE("every kind has a name of its own, a meaning and a remedy") {
    std::set<std::string_view> names;
    for (const KindInfo& kind : all_kinds()) {
        CHECK(names.insert(kind.name).second);
        CHECK_FALSE(kind.what.empty());
        CHECK_FALSE(kind.remedy.empty());
        CHECK(about(kind.kind).name == kind.name);
    }
}

TEST_CASE("equal files have no findings") { CHECK(compare("a\n", "a\n").empty()); }

TEST_CASE("a time in a line of text is one, however it is written") {
    CHECK(compare("built Mon Nov 30 06:29:27 UTC 2026\n", "built Mon Nov 30 06:30:01 UTC 2026\n") ==
          "time: line 1: Mon Nov 30 06:29:27 UTC 2026 | Mon Nov 30 06:30:01 UTC 2026\n");
    CHECK(compare("a\nstamp=1795847367\n", "a\nstamp=1795847999\n") == "time: line 2: 1795847367 | 1795847999\n");
}

TEST_CASE("lines and words in another order are told apart") {
    CHECK(compare("a\nb\nc\n", "b\na\nc\n") == "order: line 1: a | b\n");
    CHECK(compare("x = {one: 1, two: 2}\n", "x = {two: 2, one: 1}\n") ==
          "word-order: line 1: x = {one: 1, two: 2} | x = {two: 2, one: 1}\n");
}

TEST_CASE("paths, random ids and numbers are called what they are") {
    CHECK(compare("from /build/one/a.c\n", "from /build/two/a.c\n") ==
          "path: line 1: /build/one/a.c | /build/two/a.c\n");
    CHECK(compare("id 5f0c6d3e-8a52-4b1e-9f10-2b7c7d6a1e22\n", "id 00000000-8a52-4b1e-9f10-2b7c7d6a1e22\n")
              .starts_with("random: line 1: 5f0c6d3e"));
    CHECK(compare("dir /tmp/tmp.aB3dE6/x\n", "dir /tmp/tmp.Zz9yX1/x\n") == "random: line 1: aB3dE6 | Zz9yX1\n");
    CHECK(compare("pid 123\n", "pid 4567\n") == "number: line 1: 123 | 4567\n");
}

TEST_CASE("a line that differs in two ways says both") {
    CHECK(compare("06:29:27 5f0c6d3e8a524b1e\n", "06:29:28 8a524b1e5f0c6d3f\n") ==
          "time: line 1: 06:29:27 | 06:29:28\nrandom: line 1: 5f0c6d3e8a524b1e | 8a524b1e5f0c6d3f\n");
}

TEST_CASE("what is known of the two builds is recognised") {
    const Surroundings known{
        .host_name_before = "imgbuild", .host_name_after = "otherhost", .processors_before = 2, .processors_after = 1};
    CHECK(said(compare_file_bytes("/f", "on imgbuild\n", "on otherhost\n", known)) ==
          "host-name: line 1: imgbuild | otherhost\n");
    CHECK(said(compare_file_bytes("/f", "-j2\n", "-j1\n", known)) == "processors: line 1: 2 | 1\n");
}

TEST_CASE("a file that is the beginning of the other differs in size") {
    CHECK(compare("a\n", "a\nb\n") == "size: line 2:  | b\\n\n");
    CHECK(compare("\0\1"s, "\0\1\2"s) == "size: : 2 bytes | 3 bytes\n");
}

TEST_CASE("text without a known cause is content, shown from shortly before the difference") {
    CHECK(compare("some words here\n", "some birds here\n") == "content: line 1: some words here | some birds here\n");
}

TEST_CASE("bytes hold stored times, strings and random values") {
    const std::string zeros(32, '\0');
    CHECK(compare(zeros + little(1795847367, 4) + zeros, zeros + little(1795847999, 4) + zeros) ==
          "time: offset 0x20: 2026-11-28T06:29:27Z | 2026-11-28T06:39:59Z\n");
    CHECK(compare(zeros + "at /build/one/x"s + zeros, zeros + "at /build/two/x"s + zeros) ==
          "path: offset 0x20: /build/one/x | /build/two/x\n");
    CHECK(compare(zeros + "\x01\x02"s + zeros, zeros + "\x03\x04"s + zeros) == "content: offset 0x20: 0102 | 0304\n");
    std::mt19937 random(1);
    std::string first, second;
    for (int i = 0; i < 512; ++i) first += static_cast<char>(random()), second += static_cast<char>(random());
    CHECK(compare(first, second).starts_with("random: offset 0x0: "));
}

TEST_CASE("of bytes of another length the strings are compared") {
    CHECK(compare("\0\0first /build/one/x\0\1"s, "\0\0first /build/another/x\0\1"s)
              .starts_with("path: offset 0x2: /build/one/x | /build/another/x\n"));
}

TEST_CASE("gzip: the header's time and name, another level, and what is inside") {
    const std::string text = "some text that compresses, that compresses";
    CHECK(compare(gzip(text, 1795847367), gzip(text, 1795847368)) ==
          "gzip-time: gzip header: 2026-11-28T06:29:27Z | 2026-11-28T06:29:28Z\n");
    CHECK(compare(gzip(text, 0, "a"), gzip(text, 0, "b")) == "gzip-name: gzip header: a | b\n");
    CHECK(compare(gzip(text, 0, "", 9), gzip(text, 0, "", 0)).starts_with("compression: gzip: "));
    CHECK(compare(gzip("pid 1\n"), gzip("pid 2\n")) == "number: inside gzip: line 1: 1 | 2\n");
}

TEST_CASE("zstd: another level, and what is inside") {
    const auto zstd = [](std::string_view text, int level) { return compress_chunk(text, Compression::zstd, level); };
    CHECK(compare(zstd("at 06:29:27\n", 3), zstd("at 06:29:28\n", 3)) ==
          "time: inside zstd: line 1: 06:29:27 | 06:29:28\n");
    std::string long_text;
    for (int i = 0; i < 3000; ++i) long_text += fmt::format("{} ", i * i % 1009);
    CHECK(compare(zstd(long_text, 1), zstd(long_text, 19)).starts_with("compression: zstd: "));
}

TEST_CASE("zip: times, order, attributes and contents of the entries") {
    const ZipFile a{"a", "one"}, b{"b", "two"};
    CHECK(compare(zip({a, b}), zip({b, a})) == "zip-order: member 1: a | b\n");
    CHECK(compare(zip({{"a", "one", 0x6000}}), zip({{"a", "one", 0x6001}})) ==
          "zip-time: member a: 1980-01-01 12:00:00 | 1980-01-01 12:00:02\n");
    CHECK(compare(zip({{"a", "one", 0, 33, 1}}), zip({{"a", "one", 0, 33, 2}}))
              .starts_with("zip-attributes: member a: "));
    CHECK(compare(zip({{"a", "pid 1"}}), zip({{"a", "pid 2"}})) == "number: member a: line 1: 1 | 2\n");
    const auto stamped = [](std::uint32_t time) { return "UT"s + little(5, 2) + "\1" + little(time, 4); };
    CHECK(
        compare(zip({{"a", "one", 0, 33, 0, stamped(1795847367)}}), zip({{"a", "one", 0, 33, 0, stamped(1795847368)}}))
            .starts_with("zip-time: member a: "));
}

TEST_CASE("ar: times, owners, order and contents of the members") {
    CHECK(compare(ar(ar_member("a.o/", 1795847367, 0, "x")), ar(ar_member("a.o/", 1795847368, 0, "x"))) ==
          "ar-time: member a.o: 2026-11-28T06:29:27Z | 2026-11-28T06:29:28Z\n");
    CHECK(compare(ar(ar_member("a.o/", 0, 0, "x")), ar(ar_member("a.o/", 0, 1000, "x"))) ==
          "ar-owner: member a.o: 0:0 100644 | 1000:0 100644\n");
    const std::string a = ar_member("a.o/", 0, 0, "x"), b = ar_member("b.o/", 0, 0, "y");
    CHECK(compare(ar(a + b), ar(b + a)) == "ar-order: member 1: a.o | b.o\n");
    CHECK(compare(ar(ar_member("a.o/", 0, 0, "pid 1")), ar(ar_member("a.o/", 0, 0, "pid 2"))) ==
          "number: member a.o: line 1: 1 | 2\n");
}

TEST_CASE("tar: times, owners, order and contents of the entries, also inside gzip") {
    CHECK(compare(gzip(tar(tar_entry("a", 1795847367, 0, "x"))), gzip(tar(tar_entry("a", 1795847368, 0, "x")))) ==
          "tar-time: inside gzip: member a: 2026-11-28T06:29:27Z | 2026-11-28T06:29:28Z\n");
    CHECK(compare(tar(tar_entry("a", 0, 0, "x")), tar(tar_entry("a", 0, 5, "x"))) ==
          "tar-owner: member a: 0:0 0644 | 5:0 0644\n");
    const std::string a = tar_entry("a", 0, 0, "x"), b = tar_entry("b", 0, 0, "y");
    CHECK(compare(tar(a + b), tar(b + a)) == "tar-order: member 1: a | b\n");
}

TEST_CASE("ELF: build id, compiler, debugging information and the rest by section") {
    CHECK(compare(elf({{".note.gnu.build-id", build_id('a')}}), elf({{".note.gnu.build-id", build_id('b')}})) ==
          "elf-build-id: section .note.gnu.build-id: " +
              std::string(40, '6').replace(1, 39, "161616161616161616161616161616161616161") +
              " | 6262626262626262626262626262626262626262\n");
    CHECK(compare(elf({{".comment", "GCC: 12.2\0"s}}), elf({{".comment", "GCC: 13.1\0"s}})) ==
          "elf-comment: section .comment: GCC: 12.2 | GCC: 13.1\n");
    CHECK(compare(elf({{".debug_str", "\0/build/one/a.c\0"s}}), elf({{".debug_str", "\0/build/two/a.c\0"s}})) ==
          "elf-debug: section .debug_str: /build/one/a.c | /build/two/a.c\n");
    const FileFindings found =
        compare_file_bytes("/f", elf({{".note.gnu.build-id", build_id('a')}, {".rodata", "built 06:29:27\0"s}}),
                           elf({{".note.gnu.build-id", build_id('b')}, {".rodata", "built 06:29:28\0"s}}));
    CHECK(found.list.size() == 2);
    CHECK(about(found.cause()).name == "time");
}

TEST_CASE("compiled Python: the time of its source") {
    const auto pyc = [](std::uint32_t time) {
        return "\xa7\x0d\r\n"s + little(0, 4) + little(time, 4) + little(3, 4) + "code";
    };
    CHECK(compare(pyc(1795847367), pyc(1795847368)) ==
          "pyc-time: pyc header: 2026-11-28T06:29:27Z | 2026-11-28T06:29:28Z\n");
}

TEST_CASE("JSON: order of members and elements, values, and what values are") {
    CHECK(compare(R"({"a":1,"b":2})", R"({"b":2,"a":1})") == "json-order: $: a | b\n");
    CHECK(compare(R"({"a":[1,2]})", R"({"a":[2,1]})") == "json-order: $.a: 1 | 2\n");
    CHECK(compare(R"({"a":{"b":[0,"x"]}})", R"({"a":{"b":[0,"y"]}})") == "json-value: $.a.b[1]: x | y\n");
    CHECK(compare(R"({"a":"2026-11-30"})", R"({"a":"2026-12-01"})") == "time: $.a: 2026-11-30 | 2026-12-01\n");
    CHECK(compare(R"({"a":1})", R"({"a":1,"b":2})") == "json-value: $.b:  | 2\n");
}

TEST_CASE("PNG and PDF: their times and ids") {
    const auto stamp = [](unsigned second) { return big(2026, 2) + "\x0b\x1e\x06\x1d"s + static_cast<char>(second); };
    CHECK(compare(png(png_chunk("tIME", stamp(1))), png(png_chunk("tIME", stamp(2)))) ==
          "png-time: chunk tIME: 2026-11-30 06:29:01 | 2026-11-30 06:29:02\n");
    CHECK(compare("%PDF-1.4 /CreationDate (D:20261130062901Z) /ID [<aa><aa>]",
                  "%PDF-1.4 /CreationDate (D:20261130062902Z) /ID [<ab><ab>]") ==
          "pdf-date: /CreationDate: D:20261130062901Z | D:20261130062902Z\npdf-id: /ID: <aa><aa> | <ab><ab>\n");
}

TEST_CASE("ISO 9660: the dates of the volume") {
    const auto iso = [](const std::string& date) {
        std::string image(0x8800, '\0');
        image.replace(0x8000, 6, "\1CD001");
        image.replace(0x8000 + 813, date.size(), date);
        return image;
    };
    CHECK(compare(iso("2026113006290100"), iso("2026113006290200")) ==
          "iso-time: volume descriptor: creation: 2026113006290100 | 2026113006290200\n");
}

TEST_CASE("files that are known by their name are called by it") {
    CHECK(compare("5f0c\n", "9e1d\n", "/etc/machine-id").starts_with("machine-id: "));
    CHECK(compare("2026-11-30 06:29:27 install a\n", "2026-11-30 06:29:28 install a\n", "/var/log/dpkg.log") ==
          "log: line 1: 2026-11-30 06:29:27 | 2026-11-30 06:29:28\n");
    CHECK(compare("\0\1"s, "\0\2"s, "/var/cache/ldconfig/aux-cache").starts_with("linker-cache: "));
    CHECK(compare("\0\1"s, "\0\2"s, "/var/cache/fontconfig/x.cache-8").starts_with("font-cache: "));
    CHECK(compare("root:*:20422:0:99999:7:::\n", "root:*:20423:0:99999:7:::\n", "/etc/shadow") ==
          "shadow-day: account root: 20422 | 20423\n");
    CHECK(compare("root:$6$abc:1:0:::\n", "root:$6$abd:1:0:::\n", "/etc/shadow") ==
          "random: account root: field 2: … | …\n");
}

TEST_CASE("files too large to be held are compared as they stream by") {
    const std::uint64_t size = max_inspected + 5;
    const auto version = [&](char at_end) {
        return FileVersion{size, [=] {
                               class Zeros final : public ByteReader {
                                 public:
                                   Zeros(std::uint64_t left, char last) : left_(left), last_(last) {}
                                   std::size_t read(std::span<std::byte> buffer) override {
                                       const std::size_t count =
                                           static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
                                       std::fill_n(buffer.begin(), count, std::byte{0});
                                       left_ -= count;
                                       if (left_ == 0 && count > 0) buffer[count - 1] = static_cast<std::byte>(last_);
                                       return count;
                                   }

                                 private:
                                   std::uint64_t left_;
                                   char last_;
                               };
                               return std::make_unique<Zeros>(size, at_end);
                           }};
    };
    CHECK(said(compare_files("/f", version('\1'), version('\2'))) ==
          fmt::format("content: around offset {0:#x}: offset 0x4: 01 | 02\n"
                      "content: offset {0:#x}: {1} bytes, 1 of them differ | {1} bytes\n",
                      size - 1, size));
}

TEST_CASE("findings are counted beyond those that are kept, and values are short and printable") {
    std::string before, after;
    for (int i = 0; i < 100; ++i) before += fmt::format("word{}x \x1b\n", i), after += fmt::format("word{}y \x1b\n", i);
    const FileFindings many = compare_file_bytes("/f", before, after);
    CHECK(many.list.size() + many.left_out == 100);
    CHECK(many.list.size() <= max_findings);
    CHECK(many.list.front().before.find('\x1b') == std::string::npos);
    CHECK(compare_file_bytes("/f", std::string(5000, 'a') + "b", std::string(5000, 'a') + "c")
              .list.front()
              .before.size() < 300);
}

// Each format with each byte changed, and cut at each place: nothing may be thrown, and what differs is always said.
TEST_CASE("damaged files of every format are compared without a fault") {
    const std::vector<std::string> sound{gzip("pid 1\n", 5, "name"),
                                         zip({{"a", "one"}, {"b", "two"}}),
                                         ar(ar_member("a.o/", 1, 0, "pid 1")),
                                         elf({{".comment", "GCC"}, {".debug_str", "x"}}),
                                         R"({"a":[1,{"b":"c"}]})",
                                         png(png_chunk("tIME", "1234567")),
                                         "%PDF-1.4 /CreationDate (D:1) /ID [<aa>]",
                                         "\xa7\x0d\r\n"s + std::string(20, 'x'),
                                         tar(tar_entry("a", 1, 0, "pid 1"))};
    std::mt19937 random(7);
    for (const std::string& whole : sound) {
        for (int i = 0; i < 300; ++i) {
            std::string damaged = whole;
            const std::size_t at = random() % damaged.size();
            if (i % 3 == 0)
                damaged.resize(at);
            else
                damaged[at] = static_cast<char>(random());
            const FileFindings found = compare_file_bytes("/f", whole, damaged);
            CHECK((found.list.empty() == (whole == damaged)));
        }
    }
}

}  // namespace
}  // namespace imgbuild::builder
