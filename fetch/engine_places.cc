// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "fetch/engine.h"

namespace imgbuild::fetch {
namespace {

constexpr const char* engine = "find the engine";

// As the docker program reads it: TLS where one of the two variables is there, whatever it says.
std::string certificates_of(const Surroundings& surroundings) {
    if (!surroundings.variable("DOCKER_TLS_VERIFY") && !surroundings.variable("DOCKER_TLS")) return {};
    if (auto folder = surroundings.variable("DOCKER_CERT_PATH")) return *folder;
    return surroundings.in_home(".docker").value_or("");
}

EnginePlace checked(EnginePlace place) {
    if (place.address.starts_with('/')) place.address.insert(0, "unix://");
    if (place.address.starts_with("unix:///") || place.address.starts_with("tcp://")) return place;
    throw Error(
        ErrorKind::unsupported, fmt::format("{}: {} says {}", engine, place.said_by, printable(place.address)),
        "imgbuild speaks to engines at unix:///PATH and tcp://HOST:PORT; forward the socket (ssh -L), or write an "
        "archive with -o type=docker,dest=FILE");
}

std::string docker_folder(const Surroundings& surroundings) {
    if (auto folder = surroundings.variable("DOCKER_CONFIG")) return *folder;
    return surroundings.in_home(".docker").value_or("");
}

// The context that is in use; empty for the usual one.
std::optional<std::string> context_name(const Surroundings& surroundings) {
    std::optional<std::string> name = surroundings.variable("DOCKER_CONTEXT");
    const std::string folder = docker_folder(surroundings);
    if (!name && !folder.empty()) {
        const std::string path = folder + "/config.json";
        if (const auto text = read_configuration(path))
            name = optional_string(parse_json(*text, path), "currentContext", path);
    }
    return name && !name->empty() && *name != "default" ? name : std::nullopt;
}

EnginePlace place_of_context(const Surroundings& surroundings, const std::string& name) {
    const std::string said_by = "the docker context " + printable(name);
    const std::string path =
        fmt::format("{}/contexts/meta/{}/meta.json", docker_folder(surroundings), Sha256::of(name).hex());
    const auto text = read_configuration(path);
    if (!text)
        throw Error(ErrorKind::not_found, fmt::format("{}: {}: {} is missing", engine, said_by, path),
                    "`docker context ls` lists those that there are; DOCKER_CONTEXT=default uses none");
    const Json document = parse_json(*text, path);
    const Json* endpoints = optional_object(document, "Endpoints", path);
    const Json* docker = endpoints ? optional_object(*endpoints, "docker", path) : nullptr;
    const std::string host = docker ? optional_string(*docker, "Host", path).value_or("") : "";
    EnginePlace place{host, said_by, {}};
    if (host.starts_with("tcp://"))
        place.certificates =
            fmt::format("{}/contexts/tls/{}/docker", docker_folder(surroundings), Sha256::of(name).hex());
    return checked(place);
}

}  // namespace

std::vector<EnginePlace> engine_places(const Surroundings& surroundings, const std::optional<std::string>& context) {
    if (context && *context != "default") return {place_of_context(surroundings, *context)};
    if (const auto host = surroundings.variable("DOCKER_HOST"))
        return {checked({*host, "DOCKER_HOST", host->starts_with("tcp://") ? certificates_of(surroundings) : ""})};
    if (const auto used = context ? std::nullopt : context_name(surroundings))
        return {place_of_context(surroundings, *used)};
    if (const auto host = surroundings.variable("CONTAINER_HOST")) return {checked({*host, "CONTAINER_HOST", {}})};
    std::vector<EnginePlace> places{{"unix:///var/run/docker.sock", {}, {}}};
    const auto runtime = surroundings.variable("XDG_RUNTIME_DIR");
    if (runtime) places.push_back({"unix://" + *runtime + "/docker.sock", {}, {}});
    if (const auto desktop = surroundings.in_home(".docker/run/docker.sock"))
        places.push_back({"unix://" + *desktop, {}, {}});
    if (runtime) places.push_back({"unix://" + *runtime + "/podman/podman.sock", {}, {}});
    places.push_back({"unix:///run/podman/podman.sock", {}, {}});
    return places;
}

}  // namespace imgbuild::fetch
