// SPDX-License-Identifier: Apache-2.0
#pragma once

// The cache service of GitHub Actions, and of those that speak as it does: entries that are written once, under a key
// and a version, and found again by the key or by how it begins. Both protocols: the older one over REST
// (ACTIONS_CACHE_URL) and the newer one over Twirp with signed addresses of a blob store (ACTIONS_RESULTS_URL).
//
// The token goes to the service and to nobody else, and stands in no message.

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/stream.h"
#include "fetch/http.h"
#include "fetch/transfer.h"

namespace imgbuild::fetch {

enum class ActionsProtocol { rest, twirp };

struct ActionsService {
    ActionsProtocol protocol = ActionsProtocol::twirp;
    Url url;              ///< what the paths of the protocol follow
    std::string token;    ///< of the job
    std::string version;  ///< 64 hexadecimal digits: entries of another version are not found
};

struct ActionsEntry {
    std::string key;
    Url location;  ///< with a signature in its query: not for messages
};

class ActionsCache {
  public:
    /// Borrows the client.
    ActionsCache(HttpClient& client, ActionsService service) : client_(client), service_(std::move(service)) {}

    /// The entry of that key; with `by_prefix` the newest whose key begins so. Empty where there is none. Error{denied}
    /// where the token may not read, {unavailable} for everything else that a server or the network does.
    std::optional<ActionsEntry> find(const std::string& key, bool by_prefix);

    /// Streams an entry of at most `limit` bytes, of `size` where that is known. Errors as transfer().
    Fetched load(const ActionsEntry& entry, std::uint64_t limit, std::optional<std::uint64_t> size, ByteWriter& out);

    /// Makes an entry of `size` bytes. False where somebody made one of that key, or is about to. Error{denied} where
    /// the token may not write, as in a pull request from a fork.
    bool save(const std::string& key, std::uint64_t size, const BodySource& bytes);

  private:
    struct Answer;
    Answer call(const std::string& method, const Url& url, const nlohmann::ordered_json& body);
    Answer call_twirp(const char* method, nlohmann::ordered_json body);
    void send_piece(HttpRequest request);
    [[noreturn]] void refuse(const Answer& answer) const;
    [[noreturn]] void refuse_answer(std::string_view why) const;

    Url rest_url(const std::string& rest) const;
    std::string subject() const;
    std::string words_of(const nlohmann::ordered_json& document) const;

    bool save_by_rest(const std::string& key, std::uint64_t size, const BodySource& bytes);
    bool save_by_twirp(const std::string& key, std::uint64_t size, const BodySource& bytes);
    void upload_blocks(const Url& location, std::uint64_t size, const BodySource& bytes);

    HttpClient& client_;
    ActionsService service_;
};

}  // namespace imgbuild::fetch
