// SPDX-License-Identifier: Apache-2.0
#include "fetch/registries/certificate_folders.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::fetch {
namespace {

namespace fs = std::filesystem;

bool is_folder(const std::string& path) {
    std::error_code problem;
    return fs::is_directory(path, problem);
}

bool is_there(const std::string& path) {
    std::error_code problem;
    return fs::exists(path, problem);
}

bool is_containerds(const std::string& root) { return root.ends_with("/containerd/certs.d"); }

// "a.cert" and "a.key": one without the other is a mistake that would show as a refusal far away.
void read_pairs(const std::string& folder, TlsSettings& tls) {
    const auto other = [&](const std::string& name, std::string_view suffix, std::string_view wanted) {
        const std::string path = fmt::format("{}/{}{}", folder, name.substr(0, name.size() - suffix.size()), wanted);
        if (!is_there(path))
            throw Error(ErrorKind::invalid_input, fmt::format("{}/{}: {} is missing beside it", printable(folder),
                                                              printable(name), printable(path)));
        return path;
    };
    for (const std::string& name : list_configuration(folder, ".key")) other(name, ".key", ".cert");
    for (const std::string& name : list_configuration(folder, ".cert")) {
        const std::string key = other(name, ".cert", ".key");
        if (!tls.certificate.empty()) continue;
        tls.certificate = folder + "/" + name;
        tls.key = key;
    }
}

}  // namespace

std::vector<std::string> certificate_roots(const Surroundings& surroundings) {
    std::vector<std::string> roots;
    for (const char* owner : {"containers", "docker", "containerd"})
        if (auto root = surroundings.in_config_home(fmt::format("{}/certs.d", owner)))
            roots.push_back(*std::move(root));
    for (const char* owner : {"containers", "docker", "containerd"})
        roots.push_back(fmt::format("{}/{}/certs.d", surroundings.system, owner));
    return roots;
}

std::string containerd_folder(const std::string& root, const std::string& domain, bool or_default) {
    std::vector<std::string> names{domain};
    // A colon is no part of a file's name everywhere.
    if (const std::size_t colon = domain.rfind(':'); colon != std::string::npos && !domain.ends_with(']'))
        names.push_back(fmt::format("{}_{}_", domain.substr(0, colon), domain.substr(colon + 1)));
    if (or_default) names.emplace_back("_default");
    for (const std::string& name : names)
        if (std::string folder = fmt::format("{}/{}", root, name); is_folder(folder)) return folder;
    return {};
}

TlsSettings read_certificate_folders(const Surroundings& surroundings, const std::string& domain,
                                     ConfigurationSteps& steps) {
    TlsSettings tls;
    for (const std::string& root : certificate_roots(surroundings)) {
        std::string folder = fmt::format("{}/{}", root, domain);
        if (is_containerds(root)) {
            folder = containerd_folder(root, domain, false);
            if (folder.empty() || is_there(folder + "/hosts.toml")) continue;
        } else if (!is_folder(folder)) {
            continue;
        }
        std::error_code problem;
        const fs::directory_iterator probe(folder, problem);
        if (problem) {
            steps.push_back({folder, "may not be read"});
            continue;
        }
        const std::size_t known = tls.authorities.size();
        for (const std::string& name : list_configuration(folder, ".crt"))
            tls.authorities.push_back(fmt::format("{}/{}", folder, name));
        const bool had_certificate = !tls.certificate.empty();
        read_pairs(folder, tls);
        const bool has_new = !had_certificate && !tls.certificate.empty();
        steps.push_back(
            {folder, fmt::format("{}{}", counted(tls.authorities.size() - known, "authority", "authorities"),
                                 has_new ? ", the client's certificate " + tls.certificate : "")});
    }
    return tls;
}

}  // namespace imgbuild::fetch
