// SPDX-License-Identifier: Apache-2.0
#pragma once

// One request at a time over libcurl, without any policy of its own: it follows nothing, repeats nothing and sends
// the headers that it is given.

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fetch/authorities.h"
#include "fetch/tls.h"
#include "fetch/url.h"

namespace imgbuild::fetch {

struct HttpReply {
    long status = 0;                                           ///< 0 before there was one
    std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case, in the order they came
    int version = 0;                                           ///< of HTTP: 1 or 2; 0 before there was an answer
    std::string error_body;                                    ///< the begin of a body that was not asked for
    std::string failure;  ///< why the exchange broke off, in libcurl's words; empty when it did not
    bool failure_may_pass = false;
    bool lacks_trust = false;  ///< the failure is that nobody whom we trust vouches for the server
    bool lacks_tls = false;    ///< the failure is that no TLS was spoken

    /// True for 200 and 206, whose body goes to the sink.
    bool is_content() const noexcept { return failure.empty() && (status == 200 || status == 206); }
    /// The first header of that name; empty when there is none.
    std::string header(std::string_view lower_case_name) const;
};

/// Sees the bytes of a 200 or 206 as they come, with the status and the headers. What it throws leaves send().
using BodySink = std::function<void(const HttpReply&, std::span<const std::byte>)>;

/// Bytes of a request's body, whichever are asked for: libcurl may begin anew on another connection. What it throws
/// leaves send().
using BodySource = std::function<std::size_t(std::uint64_t offset, std::span<std::byte> buffer)>;
/// `text` must outlive the source.
BodySource source_of(std::string_view text);

struct HttpRequest {
    Url url;
    std::vector<std::string> headers;  ///< lines "Name: value"
    std::string method = "GET";        ///< GET, HEAD, POST, PUT, PATCH or DELETE
    BodySource body = nullptr;         ///< for POST, PUT and PATCH, which send an empty one without it
    std::uint64_t body_size = 0;       ///< bytes
    std::string unix_socket = {};      ///< where the server listens, whatever host the URL names; empty: by the URL
    std::string certificates = {};     ///< a folder with ca.pem, cert.pem and key.pem, for this server; may be empty
    bool is_local_service = false;     ///< may take as long as it likes over what it was given

    bool has_body() const noexcept { return method == "POST" || method == "PUT" || method == "PATCH"; }
};

/// What holds for a connection to the origin of a URL.
using TlsChooser = std::function<TlsSettings(const Url&)>;

class HttpClient {
  public:
    /// Error{internal} when libcurl does not start.
    HttpClient();
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    /// Sends `request`; without a sink a body is thrown away. Connections are kept for the next call. A failure of the
    /// network or the server is part of the reply and never an Error.
    HttpReply send(const HttpRequest& request, const BodySink& sink = nullptr);

    /// From now on; without it all connections trust the authorities of the system. Connections that are open are
    /// closed, because they may have been made on other terms.
    void use_tls(TlsChooser chooser);

  private:
    struct Exchange;
    void prepare(const HttpRequest& request, Exchange& exchange);
    void set_tls(const Url& url);
    static std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* exchange) noexcept;
    static std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* exchange) noexcept;
    static std::size_t give_body(char* bytes, std::size_t size, std::size_t count, void* exchange) noexcept;
    static int rewind_body(void* exchange, std::int64_t offset, int origin) noexcept;

    void* handle_;  ///< CURL*
    TlsChooser tls_;
    Authorities authorities_;
};

/// Seconds since 1970 of an HTTP date; empty when it is none.
std::optional<std::int64_t> parse_http_date(const std::string& text);
/// "Sun, 06 Nov 1994 08:49:37 GMT" of seconds since 1970.
std::string http_date(std::int64_t seconds);

}  // namespace imgbuild::fetch
