// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/engine.h"

#include <fmt/format.h>

#include <future>

#include "base/ascii.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/stream.h"
#include "base/text.h"
#include "builder/fetch/detail/fetch_request.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {
namespace {

using detail::fetch_helper;

constexpr std::uint64_t most_answer_bytes = json_max_bytes;
constexpr long status_ok = 200;
constexpr long status_created = 201;
constexpr long status_missing = 404;

Json request_to(const char* kind, const Engine& engine) {
    return Json{
        {"kind", kind}, {"address", engine.address}, {"saidBy", engine.said_by}, {"certificates", engine.certificates}};
}

struct EngineAnswer {
    std::int64_t status = 0;
    std::string body;
};

EngineAnswer ask(const Engine& engine, const char* method, const std::string& path) {
    Json request = request_to("engine-ask", engine);
    request["method"] = method;
    request["path"] = path;
    request["maxBytes"] = most_answer_bytes;
    MemoryWriter body;
    const Json status = detail::run_fetch(request, body);
    return {required_integer(status, "httpStatus", fetch_helper), body.take()};
}

[[noreturn]] void refuse(const Engine& engine, const std::string& path, const EngineAnswer& answer) {
    std::string words;
    try {
        words = optional_string(parse_json(answer.body, "answer"), "message", "answer").value_or("");
    } catch (const Error&) {
        // It is told by its status alone.
    }
    throw Error(ErrorKind::unavailable, fmt::format("{}: {}: HTTP {}", engine.name(), path, answer.status),
                words.empty() ? std::string() : "it says: " + printable(words.substr(0, 300)));
}

Json ask_for_json(const Engine& engine, const std::string& path) {
    const EngineAnswer answer = ask(engine, "GET", path);
    if (answer.status != status_ok) refuse(engine, path, answer);
    return parse_json(answer.body, engine.name() + ": " + path);
}

std::vector<std::string> strings_in(const Json& object, const char* member, const std::string& what) {
    std::vector<std::string> strings;
    const Json* list = optional_array(object, member, what);
    for (const Json& one : list ? *list : Json::array())
        if (one.is_string()) strings.push_back(one.get<std::string>());
    return strings;
}

// Names and IDs are letters of both paths and queries but for these.
std::string in_path(const std::string& text) {
    std::string encoded;
    for (const char c : text) {
        const bool is_plain =
            is_letter(c) || is_digit(c) || std::string_view("-._~:/@").find(c) != std::string_view::npos;
        encoded += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return encoded;
}

}  // namespace

EngineSearch find_engine(const std::optional<std::string>& context) {
    Json request{{"kind", "engine-find"}};
    if (context) request["context"] = *context;
    MemoryWriter no_output;
    const Json status = detail::run_fetch(request, no_output);
    EngineSearch search;
    search.is_denied = status.value("denied", false);
    const Json* tried = optional_array(status, "tried", fetch_helper);
    for (const Json& one : tried ? *tried : Json::array())
        search.tried.push_back(fmt::format("{}: {}", required_string(one, "place", fetch_helper),
                                           required_string(one, "outcome", fetch_helper)));
    Engine engine{.address = required_string(status, "address", fetch_helper),
                  .said_by = required_string(status, "saidBy", fetch_helper),
                  .certificates = required_string(status, "certificates", fetch_helper),
                  .is_podman = status.value("podman", false)};
    if (!engine.address.empty()) search.engine = std::move(engine);
    return search;
}

std::optional<EngineImage> inspect_image(const Engine& engine, const std::string& name) {
    const std::string path = fmt::format("/images/{}/json", in_path(name));
    const EngineAnswer answer = ask(engine, "GET", path);
    if (answer.status == status_missing) return std::nullopt;
    if (answer.status != status_ok) refuse(engine, path, answer);
    const std::string what = engine.name() + ": " + path;
    const Json document = parse_json(answer.body, what);
    EngineImage image{.id = required_string(document, "Id", what), .names = {}, .layers = {}};
    image.names = strings_in(document, "RepoTags", what);
    if (const Json* root = optional_object(document, "RootFS", what)) image.layers = strings_in(*root, "Layers", what);
    return image;
}

std::vector<std::string> list_images(const Engine& engine) {
    const Json list = ask_for_json(engine, "/images/json");
    std::vector<std::string> ids;
    for (const Json& one : list.is_array() ? list : Json::array())
        ids.push_back(required_string(one, "Id", engine.name() + ": /images/json"));
    return ids;
}

bool keeps_in_containerd(const Engine& engine) {
    const Json info = ask_for_json(engine, "/info");
    return write_json(info.value("DriverStatus", Json::array())).find("io.containerd.snapshotter") != std::string::npos;
}

void tag_image(const Engine& engine, const std::string& id, const std::string& name) {
    const auto reference = layerstore::Reference::parse(name);
    const std::string path =
        fmt::format("/images/{}/tag?repo={}&tag={}", in_path(id), in_path(reference.name()), in_path(reference.tag));
    const EngineAnswer answer = ask(engine, "POST", path);
    if (answer.status != status_created && answer.status != status_ok) refuse(engine, path, answer);
}

void load_archive(const Engine& engine, const layerstore::ImageArchive& archive) {
    Json request = request_to("engine-load", engine);
    request["size"] = archive.size();
    Pipe pipe = make_pipe();
    // It ends once nobody reads: the helper holds the only other end. Its own end is closed whatever happens, or the
    // helper would wait for more.
    auto written = std::async(std::launch::async, [&archive, end = std::move(pipe.write_end)]() mutable {
        const Fd own = std::move(end);
        FdWriter out(own.get(), "the engine");
        archive.write(out);
    });
    const auto give = [&] {
        MemoryWriter no_output;
        const Fd data = std::move(pipe.read_end);
        detail::run_fetch(request, no_output, data);
    };
    try {
        give();
    } catch (...) {
        // A blob of ours that cannot be read is why the engine got too little; that nobody reads on is no reason.
        try {
            written.get();
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::not_found) throw;
        }
        throw;
    }
    written.get();
}

}  // namespace imgbuild::builder
