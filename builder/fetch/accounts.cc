// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/accounts.h"

#include "base/json.h"
#include "builder/fetch/detail/fetch_request.h"

namespace imgbuild::builder {
namespace {

using detail::fetch_helper;

Json ask_about_accounts(const Json& request) {
    MemoryWriter no_output;
    return detail::run_fetch(request, no_output);
}

std::vector<RegistryStep> steps_of(const Json& status, const char* member) {
    std::vector<RegistryStep> steps;
    const Json* list = optional_array(status, member, fetch_helper);
    for (const Json& one : list ? *list : Json::array())
        steps.push_back({required_string(one, "place", fetch_helper), required_string(one, "outcome", fetch_helper)});
    return steps;
}

}  // namespace

std::string log_in(const std::string& domain, const std::string& user, const std::string& password) {
    return required_string(
        ask_about_accounts({{"kind", "login"}, {"domain", domain}, {"user", user}, {"password", password}}), "place",
        fetch_helper);
}

LoggedOut log_out(const std::string& domain) {
    const Json status = ask_about_accounts({{"kind", "logout"}, {"domain", domain}});
    LoggedOut result;
    const Json* places = optional_array(status, "places", fetch_helper);
    for (const Json& place : places ? *places : Json::array())
        if (place.is_string()) result.places.push_back(place.get<std::string>());
    result.left = optional_string(status, "left", fetch_helper).value_or("");
    return result;
}

RegistryRoute explain_registry(const layerstore::Reference& reference, bool ask) {
    Json request = detail::request_for("explain", reference);
    request["reference"] = reference.digest ? reference.digest->text() : reference.tag;
    request["offline"] = !ask;
    const Json status = ask_about_accounts(request);
    RegistryRoute route{steps_of(status, "configuration"), {}};
    const Json* list = optional_array(status, "endpoints", fetch_helper);
    for (const Json& one : list ? *list : Json::array())
        route.endpoints.push_back({required_string(one, "place", fetch_helper),
                                   required_string(one, "reason", fetch_helper),
                                   required_string(one, "answer", fetch_helper), steps_of(one, "credentials")});
    return route;
}

}  // namespace imgbuild::builder
