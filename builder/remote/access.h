// SPDX-License-Identifier: Apache-2.0
#pragma once

// What it takes to bring something from elsewhere: the store it goes to, and what proves who asks.

#include <functional>
#include <optional>
#include <string>

#include "base/task_pool.h"
#include "builder/cache/memos.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder {

/// A secret of the command line by its id; empty where nobody gave it.
using FindSecret = std::function<std::optional<std::string>(const std::string& id)>;

/// Everything in it is borrowed but what it copies, and may be used by any number of threads.
struct RemoteAccess {
    layerstore::Store& store;
    layerstore::Store::Lease& lease;
    Memos& memos;
    TaskPool& workers;
    bool offline = false;       ///< what is not here already is Error{unavailable}
    bool ignore_cache = false;  ///< what is here already is fetched again
    FindSecret secret = {};     ///< may be empty
    std::string ssh_socket;     ///< of an agent; may be empty
};

/// The Authorization header for an http or https address, from the secrets HTTP_AUTH_HEADER_HOST and
/// HTTP_AUTH_TOKEN_HOST; empty where there is none. Error{denied} where it would go over a network in the clear.
std::string http_authorization(const RemoteAccess& access, const std::string& url);

/// The same for a repository, from GIT_AUTH_HEADER.HOST, GIT_AUTH_TOKEN.HOST, or without a host. A secret that names no
/// host goes over https only, and is left out else.
std::string git_authorization(const RemoteAccess& access, const std::string& remote);

}  // namespace imgbuild::builder
