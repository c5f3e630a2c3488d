// SPDX-License-Identifier: Apache-2.0
#pragma once

// The part of a plan that one image needs, as provenance tells it.

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <vector>

#include "builder/attest/provenance.h"

namespace imgbuild::builder::detail {

/// Something from elsewhere that is in the image, or was used to make it.
struct Material {
    std::string uri;
    std::string revision;  ///< as SourceIdentity has it
};

/// {"sha256": HEX} or {"sha1": HEX}; an empty object where nothing is known.
nlohmann::ordered_json digest_set(const std::string& revision);

/// The nodes that the image needs, in the order of the plan: "step0", "step1", … in a statement.
class ImageSteps {
  public:
    /// Borrows `facts`.
    ImageSteps(const BuildFacts& facts, std::size_t image);

    /// Each once, in the order of the plan, the main context first.
    std::vector<Material> materials() const;
    /// The names of contexts that are directories of this machine.
    std::vector<std::string> local_contexts() const;
    /// Ids of secrets, or of agents, that commands ask for: {"id", "optional"}.
    nlohmann::ordered_json ids(parser::MountType type) const;
    /// True if no command could reach a network.
    bool is_hermetic() const;
    /// The steps as `imgbuild plan` prints them.
    nlohmann::ordered_json steps() const;
    /// Which lines a step stands in, and which steps a line makes.
    nlohmann::ordered_json locations() const;
    nlohmann::ordered_json lines() const;
    /// Which layers a step made.
    nlohmann::ordered_json layers(const std::vector<layerstore::Descriptor>& layers) const;

  private:
    template <class Kind, class Visit>
    void each(const Visit& visit) const;
    /// Calls with a node and the first and last line of each place in the Buildfile that it stands for.
    void each_span(const std::function<void(NodeId, std::size_t, std::size_t)>& visit) const;
    std::string uri_of(const ResolvedImage& image) const;
    std::string name_of_step(NodeId node) const;

    const BuildFacts& facts_;
    const PlannedImage& image_;
    std::vector<NodeId> nodes_;
    std::map<NodeId, std::size_t> numbers_;
};

}  // namespace imgbuild::builder::detail
