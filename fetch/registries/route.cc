// SPDX-License-Identifier: Apache-2.0
#include "fetch/registries/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "fetch/registries/certificate_folders.h"
#include "fetch/registries/daemon_json.h"
#include "fetch/registries/hosts_toml.h"
#include "fetch/registries/registries_conf.h"

namespace imgbuild::fetch {
namespace {

using layerstore::Reference;

constexpr std::string_view hub = "docker.io";

// As registries.conf matches and rewrites it.
std::string whole_name(const Reference& reference) {
    return reference.digest ? fmt::format("{}@{}", reference.name(), reference.digest->text())
                            : fmt::format("{}:{}", reference.name(), reference.tag);
}

bool serves(MirrorUse use, Purpose purpose) {
    if (purpose == Purpose::resolve) return use != MirrorUse::digest_only;
    return purpose == Purpose::blob || use != MirrorUse::tag_only;
}

class Router {
  public:
    Router(const Surroundings& surroundings, const Reference& reference, Purpose purpose)
        : surroundings_(surroundings),
          reference_(reference),
          purpose_(purpose),
          conf_(RegistriesConf::read(surroundings, route_.steps)),
          rule_(conf_.find(whole_name(reference))) {}

    Route run() {
        if (rule_) say(rule_->file, fmt::format("decides for {}", printable(rule_->prefix)));
        if (rule_ && rule_->is_blocked)
            throw Error(ErrorKind::denied,
                        fmt::format("registry {}: {} is blocked by {} (prefix \"{}\")", reference_.domain,
                                    reference_.repository, printable(rule_->file), printable(rule_->prefix)));
        const bool by_rule = rule_ && rule_->leads_elsewhere() && purpose_ != Purpose::push;
        std::optional<HostsToml> hosts;
        if (!by_rule) hosts = read_hosts_toml(surroundings_, reference_.domain, route_.steps);
        daemon_ = DaemonJson::read(surroundings_, route_.steps);
        if (by_rule) {
            follow_rule();
        } else if (hosts) {
            follow_hosts(*hosts);
        } else {
            follow_daemon();
        }
        return std::move(route_);
    }

  private:
    void say(const std::string& file, std::string outcome) {
        for (ConfigurationStep& step : route_.steps)
            if (step.place == file) step.outcome = std::move(outcome);
    }

    // A registry by its name.
    Endpoint endpoint(Reference there, std::string reason, bool is_insecure) {
        Endpoint end{.reference = std::move(there), .base = {}, .reason = std::move(reason)};
        const std::string& domain = end.reference.domain;
        if (daemon_.is_insecure(domain)) {
            is_insecure = true;
            end.reason += ", insecure by daemon.json";
        }
        end.tls = read_certificate_folders(surroundings_, domain, route_.steps);
        std::string address = registry_address(domain);
        // Whoever gives certificates for a registry of his own machine wants them used.
        const bool has_tls = is_insecure || !end.tls.is_empty();
        if (has_tls && !address.starts_with("https:")) address.replace(0, address.find(':'), "https");
        end.base = Url::parse(address + "/v2");
        end.may_be_plain = is_insecure;
        end.tls.is_unverified = is_insecure;
        return end;
    }

    Endpoint registry_itself() { return endpoint(reference_, "the registry itself", rule_ && rule_->is_insecure); }

    Reference rewritten(const std::string& location, const std::string& file) const {
        const std::string name = whole_name(reference_);
        const std::string text = location + name.substr(matched_length(name, rule_->prefix).value_or(name.size()));
        const Reference there = with_context(fmt::format("{}: location \"{}\"", printable(file), printable(location)),
                                             [&] { return Reference::parse(text); });
        if (!text.starts_with(there.domain))
            throw Error(ErrorKind::invalid_input, fmt::format("{}: location \"{}\": expected a registry at the front",
                                                              printable(file), printable(location)));
        return there;
    }

    void follow_rule() {
        for (const MirrorRule& mirror : rule_->mirrors)
            if (serves(mirror.use, purpose_))
                route_.endpoints.push_back(
                    endpoint(rewritten(mirror.location, rule_->file), "mirror, by " + rule_->file, mirror.is_insecure));
        const bool moves = !rule_->location.empty() && rule_->location != rule_->prefix;
        route_.endpoints.push_back(moves ? endpoint(rewritten(rule_->location, rule_->file),
                                                    "the registry's location, by " + rule_->file, rule_->is_insecure)
                                         : registry_itself());
    }

    bool serves_here(const HostEntry& host) const {
        if (purpose_ == Purpose::push) return host.can_push;
        return purpose_ == Purpose::resolve ? host.can_resolve : host.can_pull;
    }

    Endpoint endpoint_of(const HostEntry& host, const std::string& file) {
        const std::string reason = fmt::format("{}, by {}", host.is_server ? "server" : "mirror", file);
        Reference there = reference_;
        if (host.base) there.domain = host.base->domain();
        if (there.domain == "registry-1.docker.io") there.domain = hub;
        Endpoint end = endpoint(std::move(there), reason, rule_ && rule_->is_insecure && host.is_server);
        if (host.base) end.base = *host.base;
        if (end.reference.domain != reference_.domain) end.name_space = reference_.domain;
        end.may_be_plain = end.may_be_plain && !host.base;
        end.headers = host.headers;
        end.tls.authorities.insert(end.tls.authorities.end(), host.tls.authorities.begin(), host.tls.authorities.end());
        if (!host.tls.certificate.empty()) {
            end.tls.certificate = host.tls.certificate;
            end.tls.key = host.tls.key;
        }
        end.tls.is_unverified = end.tls.is_unverified || host.tls.is_unverified;
        if (!host.base && !host.tls.is_empty() && !end.base.is_secure())
            end.base = Url::parse("https" + end.base.text.substr(end.base.text.find(':')));
        return end;
    }

    void follow_hosts(const HostsToml& hosts) {
        for (const HostEntry& host : hosts.hosts) {
            if (!serves_here(host)) continue;
            route_.endpoints.push_back(endpoint_of(host, hosts.file));
            if (purpose_ == Purpose::push) return;
        }
        if (route_.endpoints.empty())
            throw Error(ErrorKind::denied,
                        fmt::format("registry {}: {} names no host that may be asked", reference_.domain,
                                    printable(hosts.file)),
                        "`capabilities` says what a host is good for: \"pull\", \"resolve\", \"push\"");
    }

    void follow_daemon() {
        if (reference_.domain == hub && purpose_ != Purpose::push && !daemon_.mirrors().empty()) {
            say(daemon_.mirrors_file(), "has mirrors of Docker Hub");
            for (const Url& mirror : daemon_.mirrors()) {
                Reference there = reference_;
                there.domain = mirror.domain();
                Endpoint end = endpoint(std::move(there), "mirror, by " + daemon_.mirrors_file(), false);
                end.base = mirror;
                end.may_be_plain = end.may_be_plain && mirror.is_secure();
                route_.endpoints.push_back(std::move(end));
            }
        }
        route_.endpoints.push_back(registry_itself());
    }

    const Surroundings& surroundings_;
    const Reference& reference_;
    Purpose purpose_;
    Route route_;
    RegistriesConf conf_;
    const RegistryRule* rule_;
    DaemonJson daemon_;
};

}  // namespace

TlsSettings Endpoint::tls_for(const Url& url) const {
    if (url.same_origin(base)) return tls;
    return {.authorities = tls.authorities, .is_unverified = tls.is_unverified && url.host == base.host};
}

Route find_route(const Surroundings& surroundings, const Reference& reference, Purpose purpose) {
    return read_as_configuration([&] { return Router(surroundings, reference, purpose).run(); });
}

}  // namespace imgbuild::fetch
