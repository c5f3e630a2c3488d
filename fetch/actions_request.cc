// SPDX-License-Identifier: Apache-2.0
#include "fetch/actions_request.h"

#include <fmt/format.h>

#include <chrono>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "fetch/actions_cache.h"
#include "fetch/request_fields.h"

namespace imgbuild::fetch {
namespace {

constexpr std::string_view request_name = "request";

ActionsService service_of(const Json& request) {
    ActionsService service;
    const std::string protocol = required_string(request, "protocol", request_name);
    if (protocol != "rest" && protocol != "twirp")
        throw Error(ErrorKind::usage, "request: protocol: neither rest nor twirp");
    service.protocol = protocol == "rest" ? ActionsProtocol::rest : ActionsProtocol::twirp;
    service.url = Url::parse(required_string(request, "url", request_name));
    service.token = one_line(request, "token");
    service.version = one_line(request, "version");
    return service;
}

// Ends what takes longer than the user wants to wait, wherever bytes move.
class Limit {
  public:
    explicit Limit(std::uint64_t seconds)
        : seconds_(seconds), end_(std::chrono::steady_clock::now() + std::chrono::seconds(seconds)) {}

    void check() const {
        if (seconds_ > 0 && std::chrono::steady_clock::now() > end_)
            throw Error(ErrorKind::unavailable, fmt::format("the Actions cache: took longer than {} s", seconds_),
                        "timeout= says how long it may take");
    }

  private:
    std::uint64_t seconds_;
    std::chrono::steady_clock::time_point end_;
};

class LimitedWriter final : public ByteWriter {
  public:
    LimitedWriter(ByteWriter& out, const Limit& limit) : out_(out), limit_(limit) {}
    void write(std::span<const std::byte> bytes) override {
        limit_.check();
        out_.write(bytes);
    }

  private:
    ByteWriter& out_;
    const Limit& limit_;
};

Json load_entry(ActionsCache& cache, const Json& request, const ActionsEntry& entry, const Limit& limit,
                ByteWriter& out) {
    LimitedWriter limited(out, limit);
    std::optional<std::uint64_t> size;
    if (request.contains("size")) size = byte_count(request, "size");
    cache.load(entry, size.value_or(byte_count(request, "maxBytes")), size, limited);
    return Json{{"key", entry.key}};
}

}  // namespace

Json carry_out_actions(HttpClient& client, const std::string& kind, const Json& request, ByteWriter& out) {
    const Limit limit(request.contains("seconds") ? byte_count(request, "seconds") : 0);
    ActionsCache cache(client, service_of(request));
    const std::string key = one_line(request, "key");
    if (kind == "actions-save") {
        const bool is_saved =
            cache.save(key, byte_count(request, "size"), [&](std::uint64_t offset, std::span<std::byte> buffer) {
                limit.check();
                return read_data(offset, buffer);
            });
        return Json{{"saved", is_saved}};
    }
    if (kind != "actions-find" && kind != "actions-load")
        throw Error(ErrorKind::usage, fmt::format("request: kind: \"{}\" is none that is known", printable(kind)));
    const bool by_prefix = request.value("byPrefix", false);
    const std::optional<ActionsEntry> entry = cache.find(key, by_prefix);
    if (!entry) return Json{{"missing", true}};
    if (kind == "actions-find") return Json{{"key", entry->key}};
    return load_entry(cache, request, *entry, limit, out);
}

}  // namespace imgbuild::fetch
