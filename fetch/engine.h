// SPDX-License-Identifier: Apache-2.0
#pragma once

// The engine of a docker or podman on this machine, or on another one that its configuration names: the part of the
// Docker Engine API by which images get there.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/stream.h"
#include "fetch/http.h"
#include "fetch/surroundings.h"

namespace imgbuild::fetch {

struct EnginePlace {
    std::string address;       ///< "unix:///run/docker.sock" or "tcp://host:2376"
    std::string said_by;       ///< "DOCKER_HOST", "the docker context work"; empty for a place that is usual
    std::string certificates;  ///< a folder with ca.pem, cert.pem and key.pem; empty without TLS
};

/// Where an engine may be, in the order in which they are tried. One that somebody named (`context`, a
/// docker context; $DOCKER_HOST, the context in use, $CONTAINER_HOST) is the only one. Error{not_found} for a context that does not exist, Error{unsupported}
/// for an address by ssh or a Windows pipe.
std::vector<EnginePlace> engine_places(const Surroundings& surroundings,
                                       const std::optional<std::string>& context = {});

struct EngineFound {
    EnginePlace place;  ///< no address where none answers
    bool is_podman = false;
    bool is_denied = false;                                  ///< there is one that would not let us in
    std::vector<std::pair<std::string, std::string>> tried;  ///< places, and what came of them
};
/// The first engine that answers. Error{unavailable} where one was named and does not.
EngineFound find_engine(HttpClient& client, const std::vector<EnginePlace>& places);

/// One request without a body. The answer's body, at most `limit` bytes, goes to `out`, whatever the status is, which
/// is returned. Error{unavailable} where the engine does not answer.
long ask_engine(HttpClient& client, const EnginePlace& place, const std::string& method, const std::string& path,
                std::uint64_t limit, ByteWriter& out);

/// Gives the engine an archive of `size` bytes, and returns what it says of that. Error{unavailable} with its words
/// where it does not take it, also where it says so behind a status of success.
std::string load_archive(HttpClient& client, const EnginePlace& place, std::uint64_t size, const BodySource& archive);

/// What the lines of JSON say that an engine answers a load with: the last "stream" of each kind of line. Throws
/// Error{unavailable} where one is an error.
std::string words_of_load(std::string_view lines);

}  // namespace imgbuild::fetch
