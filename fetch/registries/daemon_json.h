// SPDX-License-Identifier: Apache-2.0
#pragma once

// What docker's daemon.json says of registries: mirrors of Docker Hub, and registries without verified TLS. Read are
// ~/.config/docker/daemon.json (of a daemon without root) and /etc/docker/daemon.json; the first that names mirrors has
// them, and what either calls insecure is.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fetch/surroundings.h"
#include "fetch/url.h"

namespace imgbuild::fetch {

class DaemonJson {
  public:
    /// `steps` gets one entry for each file.
    static DaemonJson read(const Surroundings& surroundings, ConfigurationSteps& steps);
    /// Takes over what the text of `file` says. Error{invalid_input} that names file and member.
    void add(std::string_view text, const std::string& file);

    /// Of Docker Hub, in order, each with "/v2" at its end.
    const std::vector<Url>& mirrors() const noexcept { return mirrors_; }
    const std::string& mirrors_file() const noexcept { return mirrors_file_; }

    /// True if `domain` is listed, as "host:port" or by a range of addresses ("10.0.0.0/8") that one of its addresses
    /// is in. Names are looked up only where there is a range.
    bool is_insecure(const std::string& domain) const;

  private:
    std::vector<Url> mirrors_;
    std::string mirrors_file_;
    std::vector<std::string> insecure_;  ///< "host:port"
    std::vector<std::string> ranges_;    ///< "10.0.0.0/8"
};

/// True if `address` ("10.1.2.3", "fd00::1") is in `range` ("10.0.0.0/8", "fd00::/8").
bool is_in_range(const std::string& address, const std::string& range);

}  // namespace imgbuild::fetch
