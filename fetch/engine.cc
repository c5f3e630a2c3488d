// SPDX-License-Identifier: Apache-2.0
#include "fetch/engine.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"

namespace imgbuild::fetch {
namespace {

constexpr std::uint64_t most_load_words = 4 << 20;
constexpr std::string_view unix_scheme = "unix://";

std::string name_of(const EnginePlace& place) {
    return place.said_by.empty() ? "engine at " + place.address
                                 : fmt::format("engine at {} ({})", place.address, place.said_by);
}

HttpRequest request_to(const EnginePlace& place, const std::string& method, const std::string& path) {
    HttpRequest request{.url = {}, .method = method};
    request.is_local_service = true;
    if (place.address.starts_with(unix_scheme)) {
        request.unix_socket = place.address.substr(unix_scheme.size());
        request.url = Url::parse("http://engine" + path);
    } else {
        const char* scheme = place.certificates.empty() ? "http" : "https";
        request.url = Url::parse(scheme + place.address.substr(3) + path);
        request.certificates = place.certificates;
    }
    return request;
}

// Throws where a socket cannot be spoken to. libcurl does not tell one reason from another.
void try_to_connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw_errno("connect", printable(path), ENAMETOOLONG);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        throw_errno("connect", printable(path));
}

// What an engine says of a request that it refuses.
std::string words_of_refusal(const std::string& body) {
    try {
        const Json document = parse_json(body, "answer");
        for (const char* member : {"message", "error", "cause"})
            if (auto words = document.is_object() ? optional_string(document, member, "answer") : std::nullopt)
                return printable(trim(*words).substr(0, 300));
    } catch (const Error&) {
        // It is told by its status alone.
    }
    return {};
}

struct EngineAnswer {
    HttpReply reply;
    std::string body;
};

EngineAnswer exchange(HttpClient& client, const EnginePlace& place, const HttpRequest& request, std::uint64_t limit) {
    EngineAnswer answer;
    answer.reply = client.send(request, [&](const HttpReply&, std::span<const std::byte> bytes) {
        if (answer.body.size() + bytes.size() > limit)
            throw Error(ErrorKind::unavailable,
                        fmt::format("{}: answers with more than {}", name_of(place), human_size(limit)));
        answer.body += as_text(bytes);
    });
    if (!answer.reply.failure.empty())
        throw Error(ErrorKind::unavailable, fmt::format("{}: {}", name_of(place), answer.reply.failure));
    if (!answer.reply.is_content()) answer.body = answer.reply.error_body;
    return answer;
}

// Why a place does not answer; empty where it does.
std::string try_place(HttpClient& client, const EnginePlace& place, EngineFound& found) {
    try {
        if (place.address.starts_with(unix_scheme)) try_to_connect(place.address.substr(unix_scheme.size()));
        const EngineAnswer answer = exchange(client, place, request_to(place, "GET", "/_ping"), most_load_words);
        if (!answer.reply.is_content()) return fmt::format("answers with HTTP {}", answer.reply.status);
        found.is_podman = answer.reply.header("server").starts_with("Libpod");
        return {};
    } catch (const Error& error) {
        found.is_denied = found.is_denied || error.kind() == ErrorKind::denied;
        return error.message();
    }
}

}  // namespace

EngineFound find_engine(HttpClient& client, const std::vector<EnginePlace>& places) {
    EngineFound found;
    for (const EnginePlace& place : places) {
        const std::string problem = try_place(client, place, found);
        found.tried.emplace_back(place.address, problem.empty() ? "answers" : problem);
        if (problem.empty()) {
            found.place = place;
            return found;
        }
        if (!place.said_by.empty())
            throw Error(ErrorKind::unavailable, fmt::format("{}: {}", name_of(place), problem),
                        "is it running? An archive is written by -o type=docker,dest=FILE");
    }
    return found;
}

long ask_engine(HttpClient& client, const EnginePlace& place, const std::string& method, const std::string& path,
                std::uint64_t limit, ByteWriter& out) {
    const EngineAnswer answer = exchange(client, place, request_to(place, method, path), limit);
    out.write(as_bytes(answer.body));
    return answer.reply.status;
}

std::string load_archive(HttpClient& client, const EnginePlace& place, std::uint64_t size, const BodySource& archive) {
    HttpRequest request = request_to(place, "POST", "/images/load");
    request.headers = {"Content-Type: application/x-tar"};
    request.body = archive;
    request.body_size = size;
    const EngineAnswer answer = exchange(client, place, request, most_load_words);
    const auto refuse = [&](const std::string& words) {
        throw Error(ErrorKind::unavailable,
                    fmt::format("{}: does not take the image (HTTP {})", name_of(place), answer.reply.status),
                    words.empty() ? std::string() : "it says: " + words);
    };
    if (!answer.reply.is_content()) refuse(words_of_refusal(answer.body));
    return with_context(name_of(place), [&] { return words_of_load(answer.body); });
}

std::string words_of_load(std::string_view lines) {
    std::string words;
    for (const std::string_view line : split(lines, '\n')) {
        if (trim(line).empty()) continue;
        const Json document = parse_json(line, "what the engine says");
        if (!document.is_object()) continue;
        if (const auto error = optional_string(document, "error", "what the engine says"))
            throw Error(ErrorKind::unavailable, "does not take the image", "it says: " + printable(trim(*error)));
        if (const auto text = optional_string(document, "stream", "what the engine says"))
            words = printable(trim(*text));
    }
    return words;
}

}  // namespace imgbuild::fetch
