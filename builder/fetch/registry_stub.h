// SPDX-License-Identifier: Apache-2.0
#pragma once

// For tests: an HTTP server on a free port of loopback, in one thread, that answers each request as the test says
// and keeps what it was asked. One request per connection; it ends with the object.

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"

namespace imgbuild::builder {

struct StubRequest {
    std::string method;
    std::string target;                          ///< "/v2/a/manifests/1?x"
    std::map<std::string, std::string> headers;  ///< names in lower case
    std::string body;
    std::string header(const std::string& name) const { return headers.contains(name) ? headers.at(name) : ""; }
};

/// What a handler writes to; the connection is closed when the handler returns.
class StubReply {
  public:
    StubReply(int connection, bool is_head) : connection_(connection), is_head_(is_head) {}
    /// A whole answer, to HEAD without the body; `headers` are lines ended by "\r\n".
    void send(int status, std::string_view headers, std::string_view body);
    /// False once the other side is gone.
    bool raw(std::string_view bytes);

  private:
    int connection_;
    bool is_head_;
};

class RegistryStub {
  public:
    using Handler = std::function<void(const StubRequest&, StubReply&)>;
    explicit RegistryStub(Handler handler);
    ~RegistryStub();

    std::string domain() const;                 ///< "127.0.0.1:PORT"
    std::vector<StubRequest> requests() const;  ///< in the order they came

  private:
    void serve();
    void answer(int connection);

    Handler handler_;
    Fd socket_;
    int port_ = 0;
    mutable std::mutex mutex_;
    std::vector<StubRequest> requests_;
    std::thread thread_;
};

}  // namespace imgbuild::builder
