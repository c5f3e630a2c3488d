// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the main process asks of the helper, and how a child of the helper answers. A request is one message (kind,
// place, details), sometimes followed by more; an answer begins with a byte that says whether it is an Error.

#include <string>

#include "base/wire.h"
#include "builder/sandbox/channel.h"
#include "layerstore/snapshot/overlay_codec.h"

namespace imgbuild::builder {

enum class Request : std::uint8_t {
    materialise,
    run,
    open_files,
    remove_delta,
    remove_cache,
    changed,
    check,
    drop_roots,
    sweep
};
/// `terminal` comes before the answer, with the other end of the terminal that a command was given.
enum class Answer : std::uint8_t { done, error, terminal };

/// Where a request works: part of every one of them.
struct RequestPlace {
    std::string store;
    std::string spelling_name;
    layerstore::OverlaySpelling spelling = layerstore::OverlaySpelling::trusted;

    void encode(WireWriter& out) const;
    static RequestPlace decode(WireReader& in);
};

/// Answers the request that comes through `channel`; an Error becomes an answer. For a process with one thread.
void serve_request(Channel& channel) noexcept;

}  // namespace imgbuild::builder
