// SPDX-License-Identifier: Apache-2.0
#include "fetch/engine_request.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/helper_status.h"
#include "base/json.h"
#include "base/text.h"
#include "fetch/engine.h"
#include "fetch/request_fields.h"
#include "fetch/surroundings.h"

namespace imgbuild::fetch {
namespace {

constexpr std::string_view what = "request";

EnginePlace engine_place_of(const Json& request) {
    EnginePlace place{required_string(request, "address", what), one_line(request, "saidBy"), {}};
    place.certificates = one_line(request, "certificates");
    if (!place.address.starts_with("unix:///") && !place.address.starts_with("tcp://"))
        throw Error(ErrorKind::usage, "request: address: no place of an engine");
    return place;
}

Json find(HttpClient& client, const Json& request) {
    const auto context = optional_string(request, "context", what);
    const EngineFound found = find_engine(client, engine_places(Surroundings::of_process(), context));
    Json status{{"address", found.place.address}, {"saidBy", found.place.said_by}};
    status["certificates"] = found.place.certificates;
    status["podman"] = found.is_podman;
    status["denied"] = found.is_denied;
    status["tried"] = Json::array();
    for (const auto& [place, outcome] : found.tried)
        status["tried"].push_back({{"place", printable(place)}, {"outcome", printable(outcome)}});
    return status;
}

Json ask(HttpClient& client, const Json& request, ByteWriter& out) {
    const std::string method = one_line(request, "method");
    const std::string path = one_line(request, "path");
    if ((method != "GET" && method != "POST") || !path.starts_with('/') || path.find(' ') != std::string::npos)
        throw Error(ErrorKind::usage, "request: method or path: not what it should be");
    const long status =
        ask_engine(client, engine_place_of(request), method, path, byte_count(request, "maxBytes"), out);
    return Json{{"httpStatus", status}};
}

Json load(HttpClient& client, const Json& request) {
    std::uint64_t read = 0;
    // A pipe: nothing of it can be had twice.
    const BodySource archive = [&](std::uint64_t offset, std::span<std::byte> buffer) {
        if (offset != read) throw Error(ErrorKind::unavailable, "the engine broke off, and an archive is sent once");
        const std::size_t count = FdReader(helper_data_fd, "the archive").read(buffer);
        read += count;
        return count;
    };
    const EnginePlace place = engine_place_of(request);
    return Json{{"words", load_archive(client, place, byte_count(request, "size"), archive).substr(0, 1000)}};
}

}  // namespace

Json carry_out_engine(HttpClient& client, const std::string& kind, const Json& request, ByteWriter& out) {
    if (kind == "engine-find") return find(client, request);
    if (kind == "engine-ask") return ask(client, request, out);
    if (kind == "engine-load") return load(client, request);
    throw Error(ErrorKind::usage, fmt::format("request: kind: \"{}\" is none that is known", printable(kind)));
}

}  // namespace imgbuild::fetch
