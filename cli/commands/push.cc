// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "builder/push/manifest_list.h"
#include "cli/commands/commands.h"
#include "cli/commands/manifest_commands.h"
#include "cli/commands/pushing.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "layerstore/image/layout.h"

namespace imgbuild::cli {

int run_push(Arguments arguments) {
    OptionSet options("push [flags] NAME [TARGET…]",
                      "Puts an image of the store into the registry that it is named after, or into others, and prints "
                      "its digest");
    CommonOptions common;
    std::optional<std::string> name, platform;
    std::vector<std::string> targets;
    bool quiet = false;
    options.positional("NAME", name);
    options.positionals("TARGET", targets, false);
    options.flag("-q,--quiet", quiet, "print the digest alone");
    add_platform(options, platform);
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    targets = push_targets(targets);

    const std::unique_ptr<layerstore::Store> store = open_store(common);
    if (builder::ManifestLists(*store).is_draft(*name)) {
        print(push_list(*store, *name, targets, quiet).digest.text() + "\n");
        return exit_status::ok;
    }
    const auto lease = store->is_writable() ? store->lease() : nullptr;
    const layerstore::NamedImage named = require_image(*store, *name);
    if (targets.empty() && named.name.empty())
        throw Error(ErrorKind::usage, "push: " + *name + ": has no name that says where to", "name a target behind it");
    if (targets.empty()) targets.push_back(named.name);
    const layerstore::Descriptor root =
        platform ? read_one_image(*store, named.descriptor, platform, *name).descriptor : named.descriptor;
    if (lease)
        layerstore::for_each_blob(store->blobs(), root, *name,
                                  [&](const layerstore::Descriptor& blob) { lease->add(blob.digest); });
    push({.store = *store, .root = root, .names = targets, .quiet = quiet});
    print(root.digest.text() + "\n");
    return exit_status::ok;
}

}  // namespace imgbuild::cli
