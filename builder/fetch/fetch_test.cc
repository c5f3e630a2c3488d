// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/fetch.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "builder/fetch/detail/host_slots.h"
#include "builder/fetch/fetch_listener.h"
#include "builder/fetch/helper_program.h"
#include "builder/fetch/registry_stub.h"

using namespace imgbuild;
using namespace imgbuild::builder;
using layerstore::Descriptor;
using layerstore::Reference;

namespace {

constexpr std::string_view manifest_type =
    "Content-Type: application/vnd.oci.image.manifest.v1+json; charset=utf-8\r\n";

Reference reference_at(const RegistryStub& registry, std::string_view rest = "team/app:v1") {
    return Reference::parse(registry.domain() + "/" + std::string(rest));
}

Descriptor descriptor_of(std::string_view bytes) {
    Descriptor descriptor;
    descriptor.digest = Sha256::of(bytes);
    descriptor.size = bytes.size();
    return descriptor;
}

std::string pattern(std::size_t size) {
    std::string out;
    for (std::size_t i = 0; out.size() < size; ++i) out += std::to_string(i * 2654435761U) + ' ';
    out.resize(size);
    return out;
}

template <class Action>
Error error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    return Error(ErrorKind::internal, "no error");
}

std::string blob_at(const RegistryStub& registry, const Descriptor& descriptor) {
    MemoryWriter out;
    fetch_blob(reference_at(registry), descriptor, out);
    return out.take();
}

// Ends what this process has started, as the kernel does when memory runs out.
void kill_children() {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream children(task.path() / "children");
        for (pid_t pid = 0; children >> pid;) ::kill(pid, SIGKILL);
    }
}

}  // namespace

TEST_CASE("a manifest comes with its type and its digest") {
    RegistryStub registry([](const StubRequest&, StubReply& reply) { reply.send(200, manifest_type, "{}"); });
    FetchedDocument document = fetch_manifest(reference_at(registry));
    CHECK(document.bytes == "{}");
    CHECK(document.media_type == "application/vnd.oci.image.manifest.v1+json");
    CHECK(document.digest == Sha256::of("{}"));
    auto requests = registry.requests();
    REQUIRE(requests.size() == 1);
    CHECK(requests[0].target == "/v2/team/app/manifests/v1");
    CHECK(requests[0].header("accept") ==
          "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
          "application/vnd.docker.distribution.manifest.list.v2+json, "
          "application/vnd.docker.distribution.manifest.v2+json");
}

TEST_CASE("a manifest that is not what the digest says is refused") {
    RegistryStub registry([](const StubRequest&, StubReply& reply) { reply.send(200, manifest_type, "{ }"); });
    Reference reference = reference_at(registry, "team/app@" + Sha256::of("{}").text());
    Error error = error_of([&] { fetch_manifest(reference); });
    CHECK(error.kind() == ErrorKind::invalid_input);
    CHECK(error.message() == fmt::format("registry {}: manifest team/app@{}: the registry sent other bytes ({})",
                                         registry.domain(), Sha256::of("{}").text(), Sha256::of("{ }").text()));
}

TEST_CASE("what a registry does not have is told with its name and status, and asked for once") {
    RegistryStub registry([](const StubRequest&, StubReply& reply) {
        reply.send(404, "", R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest \u001b[31munknown"}]})");
    });
    Error error = error_of([&] { fetch_manifest(reference_at(registry, "team/none:1")); });
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.message() == fmt::format("registry {}: manifest team/none:1: not found (HTTP 404)", registry.domain()));
    CHECK(error.hint() == "the server says: manifest \\x1b[31munknown");
    CHECK(registry.requests().size() == 1);
}

TEST_CASE("a registry that wants a token gets an anonymous one") {
    std::string self;
    RegistryStub registry([&](const StubRequest& request, StubReply& reply) {
        if (request.target.starts_with("/token")) return reply.send(200, "", R"({"token":"t0ken"})");
        if (request.header("authorization") == "Bearer t0ken") return reply.send(200, manifest_type, "{}");
        reply.send(401,
                   fmt::format("WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"reg\",scope=\"repository:"
                               "team/app:pull\"\r\n",
                               self),
                   "");
    });
    self = registry.domain();
    CHECK(fetch_manifest(reference_at(registry)).bytes == "{}");
    auto requests = registry.requests();
    REQUIRE(requests.size() == 3);
    CHECK(requests[1].target == "/token?service=reg&scope=repository%3Ateam%2Fapp%3Apull");
    CHECK(requests[1].header("authorization").empty());
}

TEST_CASE("a token that does not help is not asked for twice, and not told to anybody") {
    std::string self;
    RegistryStub registry([&](const StubRequest& request, StubReply& reply) {
        if (request.target.starts_with("/token")) return reply.send(200, "", R"({"access_token":"t0ken"})");
        reply.send(401, fmt::format("WWW-Authenticate: Bearer realm=\"http://{}/token\"\r\n", self), "");
    });
    self = registry.domain();
    Error error = error_of([&] { fetch_manifest(reference_at(registry)); });
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.message() ==
          fmt::format("registry {}: manifest team/app:v1: does not exist or needs a login (HTTP 401)", self));
    CHECK(error.hint().find("t0ken") == std::string::npos);
    CHECK(registry.requests().size() == 3);
}

TEST_CASE("a redirect is followed, and takes no token to another origin") {
    std::string bytes = pattern(100'000);
    std::string self;
    RegistryStub storage([&](const StubRequest&, StubReply& reply) { reply.send(200, "", bytes); });
    RegistryStub registry([&](const StubRequest& request, StubReply& reply) {
        if (request.target.starts_with("/token")) return reply.send(200, "", R"({"token":"t0ken"})");
        if (request.header("authorization").empty())
            return reply.send(401, fmt::format("WWW-Authenticate: Bearer realm=\"http://{}/token\"\r\n", self), "");
        reply.send(307, fmt::format("Location: http://{}/data?sig=s3cret\r\n", storage.domain()), "");
    });
    self = registry.domain();
    CHECK(blob_at(registry, descriptor_of(bytes)) == bytes);
    auto requests = storage.requests();
    REQUIRE(requests.size() == 1);
    CHECK(requests[0].target == "/data?sig=s3cret");
    CHECK(requests[0].header("authorization").empty());
}

TEST_CASE("redirects without end, and to what is no web server, are refused") {
    std::string location = "/again";
    RegistryStub registry(
        [&](const StubRequest&, StubReply& reply) { reply.send(302, fmt::format("Location: {}\r\n", location), ""); });
    Error error = error_of([&] { fetch_manifest(reference_at(registry)); });
    CHECK(error.message() ==
          fmt::format("registry {}: manifest team/app:v1: more than 10 redirects", registry.domain()));
    CHECK(registry.requests().size() == 11);
    location = "file:///etc/passwd";
    error = error_of([&] { fetch_manifest(reference_at(registry)); });
    CHECK(error.kind() != ErrorKind::internal);
    CHECK(registry.requests().size() == 12);
}

TEST_CASE("a body that breaks off is continued where it broke, and no byte comes twice") {
    std::string bytes = pattern(300'000);
    RegistryStub registry([&](const StubRequest& request, StubReply& reply) {
        std::string range = request.header("range");
        if (range.empty()) {
            reply.raw(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.size()));
            reply.raw(bytes.substr(0, 123'456));
            return;
        }
        std::size_t from = std::stoul(range.substr(6));
        reply.send(206, fmt::format("Content-Range: bytes {}-{}/{}\r\n", from, bytes.size() - 1, bytes.size()),
                   bytes.substr(from));
    });
    CHECK(blob_at(registry, descriptor_of(bytes)) == bytes);
    REQUIRE(registry.requests().size() == 2);
    CHECK(registry.requests()[1].header("range") == "bytes=123456-");
}

TEST_CASE("a server that begins anew instead of continuing gives no bytes twice") {
    std::string bytes = pattern(300'000);
    bool is_first = true;
    RegistryStub registry([&](const StubRequest&, StubReply& reply) {
        reply.raw(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.size()));
        reply.raw(std::exchange(is_first, false) ? bytes.substr(0, 4096) : bytes);
    });
    CHECK(blob_at(registry, descriptor_of(bytes)) == bytes);
    CHECK(registry.requests().size() == 2);
}

TEST_CASE("a server that fails is asked three times") {
    int failures = 2;
    RegistryStub registry([&](const StubRequest&, StubReply& reply) {
        if (failures-- > 0) return reply.send(failures == 0 ? 503 : 429, "Retry-After: 0\r\n", "");
        reply.send(200, manifest_type, "{}");
    });
    CHECK(fetch_manifest(reference_at(registry)).bytes == "{}");
    CHECK(registry.requests().size() == 3);
    failures = 3;
    Error error = error_of([&] { fetch_manifest(reference_at(registry)); });
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.message() ==
          fmt::format("registry {}: manifest team/app:v1: the server failed (HTTP 503)", registry.domain()));
    CHECK(registry.requests().size() == 6);
}

TEST_CASE("who listens hears of every pause, and not of what is not tried again") {
    std::vector<std::string> heard;
    const FetchListener listener([&](const std::string& note) { heard.push_back(note); });
    int failures = 1;
    RegistryStub registry([&](const StubRequest&, StubReply& reply) {
        if (failures-- > 0) return reply.send(503, "Retry-After: 0\r\n", R"({"errors":[{"message":"too\nbusy"}]})");
        reply.send(200, manifest_type, "{}");
    });
    fetch_manifest(reference_at(registry));
    CHECK(heard == std::vector{fmt::format("retrying {} in 0.0 s: HTTP 503: too\\nbusy", registry.domain())});
    {
        std::vector<std::string> heard_inside;
        const FetchListener younger([&](const std::string& note) { heard_inside.push_back(note); });
        failures = 1;
        fetch_manifest(reference_at(registry));
        CHECK(heard_inside.size() == 1);
    }
    CHECK(heard.size() == 1);
    RegistryStub empty([&](const StubRequest&, StubReply& reply) { reply.send(404, "", ""); });
    error_of([&] { fetch_manifest(reference_at(empty)); });
    CHECK(heard.size() == 1);
    CHECK(empty.requests().size() == 1);
}

TEST_CASE("a registry gets four transfers at once, and another one is not kept waiting by it") {
    using detail::HostSlot;
    std::vector<std::unique_ptr<HostSlot>> held;
    for (std::size_t i = 0; i < detail::most_transfers; ++i) held.push_back(std::make_unique<HostSlot>("a.io"));
    const HostSlot other("b.io");
    std::atomic<bool> is_through = false;
    std::thread waiting([&] {
        const HostSlot slot("a.io");
        is_through = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    CHECK_FALSE(is_through);
    held.pop_back();
    waiting.join();
    CHECK(is_through);
}

TEST_CASE("a body without end stops at the size that was announced") {
    std::string junk(65536, 'x');
    RegistryStub registry([&](const StubRequest&, StubReply& reply) {
        reply.raw("HTTP/1.1 200 OK\r\n\r\n");
        while (reply.raw(junk)) {
        }
    });
    MemoryWriter out;
    Descriptor blob = descriptor_of(pattern(100));
    Error error = error_of([&] { fetch_blob(reference_at(registry), blob, out); });
    CHECK(error.kind() == ErrorKind::invalid_input);
    CHECK(error.message() == fmt::format("registry {}: blob team/app@{}: larger than the 100 bytes announced",
                                         registry.domain(), blob.digest.text()));
    CHECK(out.bytes().empty());
    error = error_of([&] { fetch_manifest(reference_at(registry)); });
    CHECK(error.message() == fmt::format("registry {}: manifest team/app:v1: larger than 4.0 MiB", registry.domain()));
}

TEST_CASE("bytes of the right size and another digest are an error although they were all sent") {
    RegistryStub registry([](const StubRequest&, StubReply& reply) { reply.send(200, "", "other bytes"); });
    Descriptor blob = descriptor_of("these bytes");
    Error error = error_of([&] { blob_at(registry, blob); });
    CHECK(error.kind() == ErrorKind::invalid_input);
}

TEST_CASE("a file from a URL comes with its name and its time") {
    RegistryStub server([](const StubRequest&, StubReply& reply) {
        reply.send(200, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "hello");
    });
    MemoryWriter out;
    FetchedFile file = *fetch_url({"http://" + server.domain() + "/dir/a%20b.txt?x=1", {}, {}, {}}, out);
    CHECK(out.bytes() == "hello");
    CHECK(file.file_name == "a b.txt");
    CHECK(file.size == 5);
    CHECK(file.digest == Sha256::of("hello"));
    CHECK(file.last_modified == 784111777);
    CHECK(server.requests()[0].target == "/dir/a%20b.txt?x=1");
}

TEST_CASE("a file from a URL is continued only where the server proves that it is the same") {
    std::string bytes = pattern(100'000);
    std::string etag = "ETag: \"one\"\r\n";
    RegistryStub server([&](const StubRequest& request, StubReply& reply) {
        if (request.header("range").empty()) {
            reply.raw(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{}\r\n", bytes.size(), etag));
            reply.raw(bytes.substr(0, 4096));
            return;
        }
        reply.send(206, fmt::format("Content-Range: bytes 4096-{}/{}\r\n", bytes.size() - 1, bytes.size()),
                   bytes.substr(4096));
    });
    MemoryWriter out;
    fetch_url({"http://" + server.domain() + "/f", {}, {}, {}}, out);
    CHECK(out.bytes() == bytes);
    CHECK(server.requests()[1].header("if-range") == "\"one\"");
    etag.clear();
    Error error = error_of([&] { fetch_url({"http://" + server.domain() + "/f?sig=s3cret", {}, {}, {}}, out); });
    CHECK(error.message() ==
          fmt::format("fetch http://{}/f: broke off after 4.0 KiB, and the server gives no way to continue",
                      server.domain()));
}

TEST_CASE("a helper that is killed in the middle is an error and never a short success") {
    std::string bytes = pattern(100'000);
    RegistryStub registry([&](const StubRequest&, StubReply& reply) {
        reply.raw("HTTP/1.1 200 OK\r\n\r\n");
        reply.raw(bytes.substr(0, 50'000));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        kill_children();
    });
    Error error = error_of([&] { blob_at(registry, descriptor_of(bytes)); });
    CHECK(error.kind() == ErrorKind::internal);
    CHECK(error.message() == "imgbuild-fetch: ended by signal 9");
}

TEST_CASE("a wish to stop ends a request that hangs") {
    // In a process of its own: the wish cannot be taken back.
    std::string bytes = pattern(100'000);
    std::fflush(nullptr);
    pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        install_cancel_handlers();
        int answer = 1;
        {
            std::atomic<bool> over = false;
            RegistryStub registry([&](const StubRequest&, StubReply& reply) {
                reply.raw("HTTP/1.1 200 OK\r\n\r\n");
                reply.raw("some");
                ::kill(::getpid(), SIGTERM);
                while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(5));
            });
            Error error = error_of([&] { blob_at(registry, descriptor_of(bytes)); });
            over = true;
            answer = error.kind() == ErrorKind::interrupted ? 0 : 2;
        }
        ::_exit(answer);
    }
    int status = -1;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
}

TEST_CASE("helper programs lie beside the executable or one folder above, and nowhere else") {
    Error error = error_of([] { helper_path("/nowhere/bin/imgbuild", "imgbuild-fetch"); });
    CHECK(error.kind() == ErrorKind::not_found);
    CHECK(error.message() ==
          "start imgbuild-fetch: neither /nowhere/bin/libexec/imgbuild/imgbuild-fetch nor "
          "/nowhere/libexec/imgbuild/imgbuild-fetch is there");
}
