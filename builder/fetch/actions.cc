// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/actions.h"

#include "base/digest.h"
#include "base/json.h"
#include "builder/fetch/detail/fetch_request.h"

namespace imgbuild::builder {
namespace {

using detail::fetch_helper;

// Another layout of keys or entries is another version, and the two do not meet.
constexpr std::string_view entry_version = "imgbuild cache of GitHub Actions 1";

Json request_for_actions(const char* kind, const ActionsService& service, const std::string& key) {
    return Json{{"kind", kind},
                {"protocol", service.is_twirp ? "twirp" : "rest"},
                {"url", service.url},
                {"token", service.token},
                {"version", Sha256::of(entry_version).hex()},
                {"seconds", service.timeout.count()},
                {"key", key}};
}

std::optional<std::string> key_in(const Json& status) {
    if (status.value("missing", false)) return std::nullopt;
    return required_string(status, "key", fetch_helper);
}

}  // namespace

std::optional<std::string> find_actions_entry(const ActionsService& service, const ActionsKey& key) {
    Json request = request_for_actions("actions-find", service, key.text);
    request["byPrefix"] = key.is_prefix;
    MemoryWriter no_output;
    return key_in(detail::run_fetch(request, no_output));
}

std::optional<std::string> load_actions_entry(const ActionsService& service, const ActionsKey& key, std::uint64_t limit,
                                              std::optional<std::uint64_t> size, ByteWriter& out) {
    Json request = request_for_actions("actions-load", service, key.text);
    request["byPrefix"] = key.is_prefix;
    request["maxBytes"] = limit;
    if (size) request["size"] = *size;
    return key_in(detail::run_fetch(request, out));
}

bool save_actions_entry(const ActionsService& service, const std::string& key, const Fd& file, std::uint64_t size) {
    Json request = request_for_actions("actions-save", service, key);
    request["size"] = size;
    MemoryWriter no_output;
    return detail::run_fetch(request, no_output, file).value("saved", false);
}

}  // namespace imgbuild::builder
