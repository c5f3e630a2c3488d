// SPDX-License-Identifier: Apache-2.0
#pragma once

// --cache-from and --cache-to, spelt as buildx spells them.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "builder/exchange/actions_cache_place.h"
#include "builder/exchange/cache_place.h"
#include "cli/commands/actions_cache_option.h"
#include "cli/common/environment.h"
#include "layerstore/store/store.h"

namespace imgbuild::builder {
class CacheExport;
class ImportedCache;
}  // namespace imgbuild::builder

namespace imgbuild::cli {

/// Where a cache lies, and what is done with it.
struct CacheOption {
    enum class Kind { registry, layout, actions };
    Kind kind = Kind::registry;
    std::string place;  ///< a reference, or the path of a layout
    std::string tag;    ///< in a layout
    builder::ActionsPlace actions;
    bool is_accepted = false;  ///< trust=accept
    bool every_layer = false;  ///< mode=max
    bool must_succeed = false;
    bool begins_afresh = false;
};

struct CacheOptions {
    std::vector<CacheOption> from;
    std::vector<CacheOption> to;
    bool inline_cache = false;          ///< --cache-to type=inline
    std::vector<std::string> warnings;  ///< kinds that imgbuild does not have, which are passed over
};

/// Error{usage} names the flag. `offline`: what needs a network is passed over.
CacheOptions read_cache_options(const std::vector<std::string>& from, const std::vector<std::string>& to, bool offline,
                                const EnvironmentLookup& environment = process_environment);

std::vector<std::shared_ptr<builder::ImportedCache>> open_imports(const CacheOptions& options,
                                                                  layerstore::Store& store);
std::vector<std::shared_ptr<builder::CacheExport>> open_exports(const CacheOptions& options, layerstore::Store& store);

/// Waits for the exports. Gives what went wrong, for people; throws the Error of one that must succeed, where the build
/// itself succeeded.
std::vector<std::string> finish_exports(const std::vector<std::shared_ptr<builder::CacheExport>>& exports,
                                        bool succeeded);

}  // namespace imgbuild::cli
