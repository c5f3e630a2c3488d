// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/context_files.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/compression.h"
#include "builder/fetch/registry_stub.h"
#include "builder/remote/fetched_file.h"
#include "builder/remote/remote_fixture.h"
#include "layerstore/layer/tar_writer.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using namespace imgbuild::builder::remote_test;
using test::refusal;

namespace {

using layerstore::Entry;

std::string tar_file(const std::string& path, const std::string& bytes, std::uint32_t owner = 0) {
    Entry entry;
    entry.size = bytes.size();
    entry.uid = entry.gid = owner;
    return layerstore::tar_header(ImagePath::clean(path), entry) + bytes +
           std::string(layerstore::tar_padding(bytes.size()), '\0');
}

std::string tar_link(const std::string& path, const std::string& target) {
    Entry entry;
    entry.kind = layerstore::EntryKind::symlink;
    entry.mode = 0777;
    entry.link_target = target;
    return layerstore::tar_header(ImagePath::clean(path), entry);
}

std::string ended(std::string entries) { return std::move(entries) + std::string(layerstore::tar_end()); }

void write(const std::string& path, std::string_view bytes) {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    REQUIRE(file);
    FdWriter(file.get(), path).write(as_bytes(bytes));
}

std::string text_at(const ContextTree& context, const std::string& path) {
    return read_text(context, ImagePath::clean(path), 1000).value_or("nothing");
}

std::string header(std::string_view name, std::string_view value) { return fmt::format("{}: {}\r\n", name, value); }

}  // namespace

TEST_CASE("an archive is a context: root's, whoever packed it, and unpacked once") {
    Place place;
    write(place.path("c.tar"), ended(tar_file("Buildfile", "FROM scratch\n", 1000) + tar_file("d/a", "alpha")));
    const ArchiveContext archive{place.path("c.tar"), nullptr};
    const ContextTree first = load_context(archive, place.access);
    CHECK(paths_of(first.tree) == "Buildfile d/ d/a");
    CHECK(first.tree.find(ImagePath::clean("Buildfile"))->uid == 0);
    CHECK(text_at(first, "d/a") == "alpha");
    CHECK(first.detail == "2 files, 18 B");
    CHECK_FALSE(first.cached);
    const ContextTree second = load_context(archive, place.access);
    CHECK(second.cached);
    CHECK(second.tree == first.tree);
    CHECK(first.revision ==
          Sha256::of(ended(tar_file("Buildfile", "FROM scratch\n", 1000) + tar_file("d/a", "alpha"))).text());
    CHECK(second.revision == first.revision);
    CHECK(text_at(second, "Buildfile") == "FROM scratch\n");
}

TEST_CASE("a compressed archive holds the same files") {
    Place place;
    const std::string tar = ended(tar_file("a", "alpha"));
    write(place.path("plain"), tar);
    const ContentId plain = load_context(ArchiveContext{place.path("plain"), nullptr}, place.access).tree.content_id();
    for (const Compression compression : {Compression::gzip, Compression::zstd}) {
        write(place.path("packed"), compress_chunk(tar, compression, default_level(compression)));
        CHECK(load_context(ArchiveContext{place.path("packed"), nullptr}, place.access).tree.content_id() == plain);
    }
}

TEST_CASE("a link in an archive leads nowhere outside it") {
    Place place;
    write(place.path("secret"), "of the host");
    write(place.path("c.tar"),
          ended(tar_link("up", "../../../.." + place.path("secret")) + tar_link("abs", "/etc/hostname") +
                tar_link("in", "/d/a") + tar_file("d/a", "alpha")));
    const ContextTree context = load_context(ArchiveContext{place.path("c.tar"), nullptr}, place.access);
    CHECK(text_at(context, "up") == "nothing");
    CHECK(text_at(context, "abs") == "nothing");
    CHECK(text_at(context, "in") == "alpha");
}

TEST_CASE("an archive that leaves its root, is cut off, or is none is refused, and nothing is kept of it") {
    Place place;
    std::string escape = ended(tar_file("AA/evil", "x"));
    escape.replace(0, 2, "..");  // the checksum no longer fits: no archive at all
    write(place.path("broken.tar"), escape);
    CHECK(refusal([&] {
              load_context(ArchiveContext{place.path("broken.tar"), nullptr}, place.access);
          }) == "usage: context " + place.path("broken.tar") + ": neither a directory nor a tar");
    const std::string whole = ended(tar_file("a", std::string(5000, 'x')));
    write(place.path("cut.tar"), whole.substr(0, 2048));
    CHECK(refusal([&] {
              load_context(ArchiveContext{place.path("cut.tar"), nullptr}, place.access);
          }).starts_with("usage: context " + place.path("cut.tar") + ": "));
    write(place.path("text"), "FROM scratch\n");
    CHECK(refusal([&] {
              load_context(ArchiveContext{place.path("text"), nullptr}, place.access);
          }) == "usage: context " + place.path("text") + ": neither a directory nor a tar");
    CHECK(refusal([&] {
              load_context(ArchiveContext{place.path("none"), nullptr}, place.access);
          }).starts_with("not_found: open context: "));
}

TEST_CASE("what an URL gives is an archive, or a single file called as the URL says") {
    const std::string tar = ended(tar_file("Buildfile", "FROM scratch\n"));
    RegistryStub server([&](const StubRequest& request, StubReply& reply) {
        reply.send(200, "", request.target == "/c.tar" ? tar : "FROM scratch\n");
    });
    Place place;
    const ContextTree archive = load_context(UrlContext{"http://" + server.domain() + "/c.tar"}, place.access);
    CHECK(paths_of(archive.tree) == "Buildfile");
    CHECK_FALSE(archive.single_file);
    const ContextTree file = load_context(UrlContext{"http://" + server.domain() + "/d/My.Buildfile?x"}, place.access);
    CHECK(file.single_file == "My.Buildfile");
    CHECK(archive.revision == Sha256::of(tar).text());
    CHECK(file.revision == Sha256::of("FROM scratch\n").text());
    CHECK(text_at(file, "My.Buildfile") == "FROM scratch\n");
}

TEST_CASE(
    "a context's time is what the server says, else that of the newest file in the archive, also from the cache") {
    const std::string tar = ended(tar_file("Buildfile", "FROM scratch\n"));
    RegistryStub server([&](const StubRequest& request, StubReply& reply) {
        const bool is_dated = request.target.starts_with("/dated");
        reply.send(200, is_dated ? header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT") : "",
                   request.target.ends_with(".tar") ? tar : "text");
    });
    const std::string address = "http://" + server.domain();
    Place place;
    const auto newest = load_context(UrlContext{address + "/c.tar"}, place.access).time;
    REQUIRE(newest);
    CHECK(load_context(UrlContext{address + "/c.tar"}, place.access).time == newest);
    CHECK(time_of(UrlContext{address + "/c.tar"}, place.access) == newest);
    CHECK(load_context(UrlContext{address + "/dated.tar"}, place.access).time == 784111777);
    CHECK(time_of(UrlContext{address + "/dated"}, place.access) == 784111777);
    CHECK_FALSE(load_context(UrlContext{address + "/text"}, place.access).time);
    CHECK_FALSE(time_of(UrlContext{address + "/text"}, place.access));
}

TEST_CASE("a file that the server calls unchanged is not sent again") {
    std::string etag = "\"one\"", body = "first";
    RegistryStub server([&](const StubRequest& request, StubReply& reply) {
        if (request.header("if-none-match") == etag)
            reply.send(304, header("ETag", etag), "");
        else
            reply.send(200, header("ETag", etag), body);
    });
    const std::string url = "http://" + server.domain() + "/f";
    Place place;
    const RemoteFile first = fetch_to_store(url, "", place.access);
    CHECK_FALSE(first.cached);
    const RemoteFile second = fetch_to_store(url, "", place.access);
    CHECK(second.cached);
    CHECK(second.content.blob == first.content.blob);
    etag = "\"two\"";
    body = "second";
    const RemoteFile third = fetch_to_store(url, "", place.access);
    CHECK_FALSE(third.cached);
    CHECK(third.content.blob == Sha256::of("second"));
    place.access.ignore_cache = true;
    CHECK_FALSE(fetch_to_store(url, "", place.access).cached);
    CHECK(server.requests().back().header("if-none-match").empty());
}

TEST_CASE("a server without names for versions is asked by time, and a pinned file not at all") {
    const std::string date = "Sun, 06 Nov 1994 08:49:37 GMT";
    RegistryStub server([&](const StubRequest& request, StubReply& reply) {
        if (request.header("if-modified-since") == date)
            reply.send(304, "", "");
        else
            reply.send(200, header("Last-Modified", date), "bytes");
    });
    const std::string url = "http://" + server.domain() + "/f";
    Place place;
    fetch_to_store(url, "", place.access);
    CHECK(fetch_to_store(url, "", place.access).cached);
    fetch_to_store(url, Sha256::of("bytes").text(), place.access);
    const std::size_t asked = server.requests().size();
    CHECK(fetch_to_store(url, Sha256::of("bytes").text(), place.access).cached);
    CHECK(server.requests().size() == asked);
    CHECK(refusal([&] {
              fetch_to_store(url, Sha256::of("other").text(), place.access);
          }).starts_with("unavailable: digest mismatch: "));
}

TEST_CASE("a secret of the server's host authorises, and goes over no network in the clear") {
    RegistryStub server(
        [](const StubRequest& request, StubReply& reply) { reply.send(200, "", request.header("authorization")); });
    Place place;
    place.secrets["HTTP_AUTH_TOKEN_127.0.0.1"] = "s3cret\n";
    const RemoteFile file = fetch_to_store("http://" + server.domain() + "/f", "", place.access);
    CHECK(file.content.blob == Sha256::of("Bearer s3cret"));
    place.secrets["HTTP_AUTH_TOKEN_h.example"] = "x";
    CHECK(refusal([&] { http_authorization(place.access, "http://h.example/f"); }) ==
          "denied: secret HTTP_AUTH_TOKEN_h.example: would go to h.example in the clear");
    CHECK(http_authorization(place.access, "https://other.example/f").empty());
}

TEST_CASE("a token for git is sent to the host that it names, and one for all hosts over https only") {
    Place place;
    place.secrets["GIT_AUTH_TOKEN"] = "t";
    CHECK(git_authorization(place.access, "https://h/x.git") == "Basic eC1hY2Nlc3MtdG9rZW46dA==");
    CHECK(git_authorization(place.access, "http://h/x.git").empty());
    CHECK(git_authorization(place.access, "ssh://git@h/x.git").empty());
    place.secrets["GIT_AUTH_HEADER.h"] = "Bearer own";
    CHECK(git_authorization(place.access, "https://h/x.git") == "Bearer own");
    CHECK(git_authorization(place.access, "https://other/x.git") == "Basic eC1hY2Nlc3MtdG9rZW46dA==");
}
