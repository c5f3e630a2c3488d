// SPDX-License-Identifier: Apache-2.0
#include "fetch/authorities.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "fetch/surroundings.h"

namespace imgbuild::fetch {
namespace {

constexpr std::string_view pem_begin = "-----BEGIN CERTIFICATE-----";

std::string value_of(const char* variable) {
    const char* value = std::getenv(variable);
    return value ? value : "";
}

// "5ed36f99.0", by which OpenSSL finds a certificate without reading all of them.
bool is_hashed_name(const std::string& name) {
    const std::size_t digits = std::min(name.find_first_not_of("0123456789abcdef"), name.size());
    return digits == 8 && name.size() > 9 && name[8] == '.' &&
           name.find_first_not_of("0123456789", 9) == std::string::npos;
}

std::vector<std::string> named_folders(bool is_hashed) {
    std::vector<std::string> folders;
    const std::string all = value_of("SSL_CERT_DIR");
    for (const std::string_view one : split(all, ':')) {
        if (one.empty()) continue;
        std::string folder(one);
        if (std::ranges::any_of(list_configuration(folder, ""), is_hashed_name) == is_hashed)
            folders.push_back(std::move(folder));
    }
    return folders;
}

std::string read_authority(const std::string& file) {
    const auto text = read_configuration(file);
    if (!text || text->find(pem_begin) == std::string::npos)
        throw Error(ErrorKind::usage, fmt::format("{}: expected an authority's certificate in PEM, found {}",
                                                  printable(file), text ? "none" : "no such file"));
    return *text + "\n";
}

}  // namespace

std::string Authorities::file() {
    for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"})
        if (std::string named = value_of(name); !named.empty()) return named;
    const char* usual = curl_version_info(CURLVERSION_NOW)->cainfo;
    return usual ? usual : "";
}

std::string Authorities::hashed_folders() { return join(named_folders(true), ":"); }

std::string Authorities::bundle(const std::vector<std::string>& more) {
    const std::vector<std::string> folders = named_folders(false);
    if (more.empty() && folders.empty()) return {};
    if (base_.empty()) {
        base_ = read_configuration(file()).value_or("") + "\n";
        // As in docker and its kin, every file counts that holds a certificate, whatever it is called.
        for (const std::string& folder : folders)
            for (const std::string& name : list_configuration(folder, ""))
                if (const auto text = read_configuration(fmt::format("{}/{}", folder, name));
                    text && text->find(pem_begin) != std::string::npos)
                    base_ += *text + "\n";
    }
    std::string all = base_;
    for (const std::string& path : more) all += read_authority(path);
    return all;
}

}  // namespace imgbuild::fetch
