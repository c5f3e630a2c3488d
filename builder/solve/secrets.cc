// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/secrets.h"

#include <fcntl.h>

#include <cstdlib>

#include "base/error.h"
#include "base/stream.h"
#include "base/text.h"

namespace imgbuild::builder {

std::string read_secret(const std::string& id, const SecretSource& source) {
    constexpr std::uint64_t max_secret_bytes = 500 * 1024;
    return with_context("secret " + printable(id), [&]() -> std::string {
        if (!source.environment.empty()) {
            const char* value = std::getenv(source.environment.c_str());
            if (value) return value;
            throw Error(ErrorKind::not_found, "the variable " + source.environment + " is not set");
        }
        Fd file(::open(source.file.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) throw_errno("open", source.file);
        return imgbuild::read_file(file.get(), max_secret_bytes, source.file);
    });
}

FindSecret find_secret_in(const RunSettings& settings) {
    return [&settings](const std::string& id) -> std::optional<std::string> {
        const auto source = settings.secrets.find(id);
        if (source == settings.secrets.end()) return std::nullopt;
        return read_secret(id, source->second);
    };
}

std::string default_ssh_socket(const RunSettings& settings) {
    const auto socket = settings.ssh_sockets.find("default");
    return socket == settings.ssh_sockets.end() ? "" : socket->second;
}

}  // namespace imgbuild::builder
