// SPDX-License-Identifier: Apache-2.0
#pragma once

// The container engine of this machine, a docker or a podman, as far as images get into it: through imgbuild-fetch by
// its API, or by the program podman, which needs no service (docs/decisions/0023).

#include <optional>
#include <string>
#include <vector>

#include "layerstore/image/archive.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {

/// An engine that answers by its API.
struct Engine {
    std::string address;       ///< "unix:///run/docker.sock"
    std::string said_by;       ///< what named it; empty for one at a usual place
    std::string certificates;  ///< a folder; may be empty
    bool is_podman = false;

    std::string name() const { return (is_podman ? "podman at " : "docker at ") + address; }
};

struct EngineSearch {
    std::optional<Engine> engine;
    bool is_denied = false;          ///< there is one that would not let us in
    std::vector<std::string> tried;  ///< lines for people
};
/// Looks for one where docker and podman look, or where the docker context `context` says. Error{unavailable} where somebody named one that does not answer.
EngineSearch find_engine(const std::optional<std::string>& context = {});

/// What an engine says of one of its images.
struct EngineImage {
    std::string id;
    std::vector<std::string> names;   ///< as the engine writes them: "app:1"
    std::vector<std::string> layers;  ///< diff IDs, lowest first
};
/// The image that `name`, an ID or a name, stands for; empty where the engine has none.
std::optional<EngineImage> inspect_image(const Engine& engine, const std::string& name);
/// IDs of images that the engine has, the latest first.
std::vector<std::string> list_images(const Engine& engine);
/// True for an engine that keeps images in containerd's store, which wants each archive whole.
bool keeps_in_containerd(const Engine& engine);
/// Gives an image of the engine one more name, a full reference.
void tag_image(const Engine& engine, const std::string& id, const std::string& name);
/// Gives the engine an archive. Error{unavailable} with its words where it does not take it.
void load_archive(const Engine& engine, const layerstore::ImageArchive& archive);

}  // namespace imgbuild::builder
