// SPDX-License-Identifier: Apache-2.0
#pragma once

// What of a build's results goes to the caches that it exports to.

#include <optional>

#include "builder/exchange/cache_records.h"
#include "builder/image/image_assembly.h"
#include "builder/solve/evaluator.h"
#include "builder/solve/node_result.h"
#include "builder/solve/services.h"

namespace imgbuild::builder {

/// For one thread.
class ResultExport {
  public:
    explicit ResultExport(Services& services) : services_(services) {}

    /// `step`: what the result is known by; empty for what is no COPY or RUN. What somebody else vouches for is told to
    /// be in use, and goes out only once it is known here.
    void add_result(const NodeResult& result, const std::optional<Evaluator::NamedStep>& step);
    /// True if an export takes the layer of `result`, which is or is not one of an image. Not of what is only claimed:
    /// it would have to be brought first.
    bool wants_layers(const NodeResult& result, bool is_of_image);
    /// The records of an image's own steps, whose layers are `layers`, those of its bases among `results` too where that
    /// stays short enough; empty where nothing does.
    struct ImageStep {
        const NodeResult* result;
        std::optional<Evaluator::NamedStep> step;  ///< empty for a base image
        std::optional<FinishedLayer> layer;
    };
    std::string inline_cache(const std::vector<ImageStep>& steps);
    void add_layer(const NodeResult& result, const FinishedLayer& layer, bool is_of_image);

  private:
    void add_image(const NodeResult& result);
    CachedLayer cached_layer(const NodeResult& result, const FinishedLayer& layer) const;

    Services& services_;
};

}  // namespace imgbuild::builder
