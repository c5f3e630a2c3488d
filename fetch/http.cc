// SPDX-License-Identifier: Apache-2.0
#include "fetch/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>

#include "base/error.h"
#include "base/stream.h"
#include "base/text.h"
#include "fetch/refusal.h"

namespace imgbuild::fetch {
namespace {

constexpr long connect_seconds = 10;
// Fewer bytes a second than this for so long is a stall.
constexpr long stalled_speed = 100;
constexpr long stalled_seconds = 30;
// A server that got a body says nothing while it puts it in its place.
constexpr long stalled_upload_seconds = 300;
constexpr std::size_t most_header_bytes = 256 * 1024;
constexpr std::size_t most_headers = 1000;
constexpr std::size_t most_error_bytes = 64 * 1024;
constexpr long upload_buffer_bytes = 512 * 1024;

struct FreeList {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

HeaderList make_list(const std::vector<std::string>& headers) {
    HeaderList list;
    for (const std::string& header : headers) {
        curl_slist* longer = curl_slist_append(list.get(), header.c_str());
        if (longer == nullptr) throw Error(ErrorKind::unavailable, "fetch: out of memory");
        static_cast<void>(list.release());
        list.reset(longer);
    }
    return list;
}

// Of the network and not of what was asked for or of its certificate. A name that does not resolve is not among
// them: most of those are misspelt, and resolvers have retried already.
bool may_pass(CURLcode code) noexcept {
    switch (code) {
        case CURLE_COULDNT_CONNECT:
        case CURLE_OPERATION_TIMEDOUT:
        case CURLE_GOT_NOTHING:
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_PARTIAL_FILE:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM: return true;
        default: return false;
    }
}

// At least a second, below which libcurl cannot count.
long patient(long seconds) { return std::max(1L, static_cast<long>(static_cast<double>(seconds) * patience())); }

// libcurl, which also runs in servers, does not read this one, by which a client could set it there.
void set_proxy(CURL* handle, const Url& url) {
    if (is_loopback(url.host)) {
        curl_easy_setopt(handle, CURLOPT_PROXY, "");
    } else if (!url.is_secure() && !std::getenv("http_proxy")) {
        if (const char* proxy = std::getenv("HTTP_PROXY"); proxy && *proxy)
            curl_easy_setopt(handle, CURLOPT_PROXY, proxy);
    }
}

bool lacks_trust(CURLcode code) noexcept {
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
}

// As docker lays them out. libcurl keeps a copy of each name.
void set_certificates(CURL* handle, const std::string& folder) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, (folder + "/ca.pem").c_str());
    curl_easy_setopt(handle, CURLOPT_SSLCERT, (folder + "/cert.pem").c_str());
    curl_easy_setopt(handle, CURLOPT_SSLKEY, (folder + "/key.pem").c_str());
}

}  // namespace

struct HttpClient::Exchange {
    HttpReply reply;
    const HttpRequest& request;
    const BodySink& sink;
    std::uint64_t sent = 0;  ///< bytes of the request's body
    std::size_t header_bytes = 0;
    std::exception_ptr thrown;
    bool heard_enough = false;  ///< an error's body was longer than anybody reads
    std::array<char, CURL_ERROR_SIZE> problem{};
};

std::string HttpReply::header(std::string_view lower_case_name) const {
    for (const auto& [name, value] : headers)
        if (name == lower_case_name) return value;
    return {};
}

HttpClient::HttpClient() {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    handle_ = curl_easy_init();
    if (handle_ == nullptr) throw Error(ErrorKind::internal, "fetch: libcurl does not start");
}

HttpClient::~HttpClient() {
    curl_easy_cleanup(handle_);
    curl_global_cleanup();
}

BodySource source_of(std::string_view text) {
    return [text](std::uint64_t offset, std::span<std::byte> buffer) {
        const std::string_view rest = text.substr(std::min<std::uint64_t>(offset, text.size()));
        return rest.copy(reinterpret_cast<char*>(buffer.data()), buffer.size());
    };
}

void HttpClient::prepare(const HttpRequest& request, Exchange& exchange) {
    CURL* handle = handle_;
    curl_easy_reset(handle);
    curl_easy_setopt(handle, CURLOPT_URL, request.url.text.c_str());
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "imgbuild");
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, patient(connect_seconds));
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, stalled_speed);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME,
                     patient(request.has_body() ? stalled_upload_seconds : stalled_seconds));
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, exchange.problem.data());
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &HttpClient::take_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, &exchange);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &HttpClient::take_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &exchange);
    // A proxy's own answer to CONNECT is not the server's.
    curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (request.has_body()) {
        curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, upload_buffer_bytes);
        curl_easy_setopt(handle, CURLOPT_READFUNCTION, &HttpClient::give_body);
        curl_easy_setopt(handle, CURLOPT_READDATA, &exchange);
        curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, &HttpClient::rewind_body);
        curl_easy_setopt(handle, CURLOPT_SEEKDATA, &exchange);
        curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body_size));
    }
    if (request.method == "HEAD") curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    if (request.method != "GET" && request.method != "HEAD")
        curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    set_proxy(handle, request.url);
    if (request.url.is_secure()) set_tls(request.url);
    if (!request.unix_socket.empty()) {
        curl_easy_setopt(handle, CURLOPT_PROXY, "");
        curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
    }
    if (!request.certificates.empty()) set_certificates(handle, request.certificates);
    if (request.is_local_service) curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 0L);
}

void HttpClient::use_tls(TlsChooser chooser) {
    tls_ = std::move(chooser);
    curl_easy_cleanup(handle_);
    handle_ = curl_easy_init();
    if (handle_ == nullptr) throw Error(ErrorKind::internal, "fetch: libcurl does not start");
}

void HttpClient::set_tls(const Url& url) {
    const TlsSettings tls = tls_ ? tls_(url) : TlsSettings();
    // libcurl itself reads the variables of proxies only.
    if (const std::string file = Authorities::file(); !file.empty())
        curl_easy_setopt(handle_, CURLOPT_CAINFO, file.c_str());
    if (const std::string folders = Authorities::hashed_folders(); !folders.empty())
        curl_easy_setopt(handle_, CURLOPT_CAPATH, folders.c_str());
    if (std::string all = authorities_.bundle(tls.authorities); !all.empty()) {
        curl_blob blob{.data = all.data(), .len = all.size(), .flags = CURL_BLOB_COPY};
        curl_easy_setopt(handle_, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (tls.is_unverified) {
        curl_easy_setopt(handle_, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(handle_, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (tls.certificate.empty()) return;
    curl_easy_setopt(handle_, CURLOPT_SSLCERT, tls.certificate.c_str());
    curl_easy_setopt(handle_, CURLOPT_SSLKEY, (tls.key.empty() ? tls.certificate : tls.key).c_str());
}

HttpReply HttpClient::send(const HttpRequest& request, const BodySink& sink) {
    Exchange exchange{.request = request, .sink = sink};
    prepare(request, exchange);
    std::vector<std::string> headers = request.headers;
    // Else libcurl waits a second for servers that do not know it; whoever refuses does so while we send.
    if (request.has_body()) headers.emplace_back("Expect:");
    HeaderList list = make_list(headers);
    curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, list.get());
    CURLcode code = curl_easy_perform(handle_);
    if (exchange.thrown) std::rethrow_exception(exchange.thrown);
    long version = CURL_HTTP_VERSION_NONE;
    curl_easy_getinfo(handle_, CURLINFO_HTTP_VERSION, &version);
    exchange.reply.version = version == CURL_HTTP_VERSION_NONE ? 0 : version >= CURL_HTTP_VERSION_2_0 ? 2 : 1;
    if (code != CURLE_OK && !exchange.heard_enough) {
        const char* said = exchange.problem[0] != '\0' ? exchange.problem.data() : curl_easy_strerror(code);
        exchange.reply.failure = printable(said);
        exchange.reply.failure_may_pass = may_pass(code);
        exchange.reply.lacks_trust = lacks_trust(code);
        exchange.reply.lacks_tls = code == CURLE_SSL_CONNECT_ERROR;
    }
    return std::move(exchange.reply);
}

std::size_t HttpClient::give_body(char* bytes, std::size_t size, std::size_t count, void* pointer) noexcept {
    auto& exchange = *static_cast<Exchange*>(pointer);
    try {
        const std::uint64_t left = exchange.request.body_size - exchange.sent;
        if (left == 0) return 0;
        std::span<std::byte> buffer(reinterpret_cast<std::byte*>(bytes), std::min<std::uint64_t>(size * count, left));
        const std::size_t given = exchange.request.body(exchange.sent, buffer);
        exchange.sent += given;
        return given == 0 ? CURL_READFUNC_ABORT : given;
    } catch (...) {
        exchange.thrown = std::current_exception();
        return CURL_READFUNC_ABORT;
    }
}

int HttpClient::rewind_body(void* pointer, std::int64_t offset, int origin) noexcept {
    if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
    static_cast<Exchange*>(pointer)->sent = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
}

std::size_t HttpClient::take_header(char* bytes, std::size_t size, std::size_t count, void* pointer) noexcept {
    auto& exchange = *static_cast<Exchange*>(pointer);
    std::string_view line = trim(std::string_view(bytes, size * count));
    try {
        exchange.header_bytes += size * count;
        if (exchange.header_bytes > most_header_bytes)
            throw Error(ErrorKind::unavailable,
                        fmt::format("fetch: headers of more than {}", human_size(most_header_bytes)));
        if (line.starts_with("HTTP/")) {  // again for each interim answer
            exchange.reply.headers.clear();
            std::string_view rest = trim(line.substr(std::min(line.find(' '), line.size())));
            exchange.reply.status = static_cast<long>(parse_unsigned(rest.substr(0, 3)).value_or(0));
        } else if (std::size_t colon = line.find(':'); colon != std::string_view::npos) {
            if (exchange.reply.headers.size() == most_headers)
                throw Error(ErrorKind::unavailable, fmt::format("fetch: more than {} headers", most_headers));
            exchange.reply.headers.emplace_back(to_lower(trim(line.substr(0, colon))), trim(line.substr(colon + 1)));
        }
        return size * count;
    } catch (...) {
        exchange.thrown = std::current_exception();
        return 0;
    }
}

std::size_t HttpClient::take_body(char* bytes, std::size_t size, std::size_t count, void* pointer) noexcept {
    auto& exchange = *static_cast<Exchange*>(pointer);
    std::string_view body(bytes, size * count);
    try {
        HttpReply& reply = exchange.reply;
        if (reply.is_content()) {
            if (exchange.sink) exchange.sink(reply, as_bytes(body));
        } else if (reply.error_body.size() < most_error_bytes) {
            reply.error_body += body.substr(0, most_error_bytes - reply.error_body.size());
        } else {
            exchange.heard_enough = true;
        }
        return exchange.heard_enough ? 0 : body.size();
    } catch (...) {
        exchange.thrown = std::current_exception();
        return 0;
    }
}

std::optional<std::int64_t> parse_http_date(const std::string& text) {
    std::time_t time = curl_getdate(text.c_str(), nullptr);
    return time == -1 ? std::nullopt : std::optional<std::int64_t>(time);
}

std::string http_date(std::int64_t seconds) {
    constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t time = seconds;
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[static_cast<std::size_t>(parts.tm_wday)],
                       parts.tm_mday, months[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                       parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace imgbuild::fetch
