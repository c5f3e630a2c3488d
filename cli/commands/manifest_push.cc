// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/fetch/documents.h"
#include "builder/push/manifest_list.h"
#include "cli/commands/manifest_commands.h"
#include "cli/commands/pushing.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"

namespace imgbuild::cli {
namespace {

// What images elsewhere are made of was read when they were added, and may be gone since.
void bring_documents(layerstore::Store& store, const builder::ManifestList& list) {
    for (const auto& [digest, repository] : list.origins) {
        layerstore::Reference reference = layerstore::Reference::parse(repository);
        reference.digest = digest;
        if (!store.blobs().has(digest)) builder::fetch_documents(reference, store.blobs());
    }
}

}  // namespace

layerstore::Descriptor push_list(layerstore::Store& store, const std::string& name, std::vector<std::string> targets,
                                 bool quiet) {
    const auto lease = store.lease();
    const builder::ManifestList list = builder::ManifestLists(store).get(name);
    if (list.index.manifests.empty())
        throw Error(ErrorKind::usage, fmt::format("{}: a list without images", printable(name)),
                    "`imgbuild manifest add` adds some");
    if (targets.empty()) targets.push_back(list.name);
    bring_documents(store, list);
    const std::string bytes = list.encode();
    const layerstore::Descriptor root{.media_type = layerstore::Index::parse(bytes, name).media_type,
                                      .digest = store.blobs().put(bytes),
                                      .size = bytes.size()};
    layerstore::for_each_blob(store.blobs(), root, name,
                              [&](const layerstore::Descriptor& blob) { lease->add(blob.digest); });
    push({.store = store, .root = root, .names = targets, .origins = &list.origins, .quiet = quiet});
    return root;
}

int run_manifest_push(Arguments arguments) {
    OptionSet options("manifest push [flags] LIST [TARGET…]",
                      "Puts a list, and of its images what is not there, into the registry that it is named after, or "
                      "into others, and prints its digest");
    CommonOptions common;
    std::optional<std::string> name;
    std::vector<std::string> targets;
    bool quiet = false, purge = false, all = false;
    options.positional("LIST", name);
    options.positionals("TARGET", targets, false);
    options.flag("-q,--quiet", quiet, "print the digest alone");
    options.flag("-p,--purge,--rm", purge, "take the list out of the store afterwards");
    options.flag("--all", all, "accepted: all images are pushed");
    add_common(options, common);
    if (!parse_or_help(options, arguments)) return exit_status::ok;
    const std::unique_ptr<layerstore::Store> store = open_store(common);
    const layerstore::Descriptor root = push_list(*store, *name, push_targets(targets), quiet);
    if (purge) builder::ManifestLists(*store).remove(*name);
    print(root.digest.text() + "\n");
    return exit_status::ok;
}

}  // namespace imgbuild::cli
