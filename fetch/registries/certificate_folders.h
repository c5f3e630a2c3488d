// SPDX-License-Identifier: Apache-2.0
#pragma once

// Folders of certificates for one registry, as docker, podman and containerd have them: certs.d/HOST[:PORT] with
// authorities (*.crt) and pairs of a client's certificate (*.cert) and its key (*.key). A port has to be named as in
// images.

#include <string>
#include <vector>

#include "fetch/surroundings.h"
#include "fetch/tls.h"

namespace imgbuild::fetch {

/// Where the folders of all registries lie, the first first: of the user, then of the system; in each, those of
/// containers, docker and containerd.
std::vector<std::string> certificate_roots(const Surroundings& surroundings);

/// Where containerd keeps what it knows of a registry (hosts.toml or certificates): the folder of `domain` below `root`
/// in the first spelling that is there: "HOST:PORT", "HOST_PORT_" or, with `or_default`, "_default". Empty where none is.
std::string containerd_folder(const std::string& root, const std::string& domain, bool or_default);

/// The authorities of all folders of `domain` and the first pair of a client. `steps` gets one entry for each folder
/// that is there. Error{invalid_input} for a certificate without its key or the other way round.
TlsSettings read_certificate_folders(const Surroundings& surroundings, const std::string& domain,
                                     ConfigurationSteps& steps);

}  // namespace imgbuild::fetch
