// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many transfers one registry gets from this process at once. More do not make it faster, and registries count.

#include <cstddef>
#include <string>

namespace imgbuild::builder::detail {

inline constexpr std::size_t most_transfers = 4;  ///< of blobs, to and from one registry

/// A place among the transfers of a registry, held until the object goes.
class HostSlot {
  public:
    /// Waits for one. Error{interrupted} when somebody asked to stop.
    explicit HostSlot(std::string domain);
    ~HostSlot();
    HostSlot(const HostSlot&) = delete;
    HostSlot& operator=(const HostSlot&) = delete;

  private:
    std::string domain_;
};

}  // namespace imgbuild::builder::detail
