// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/fetch_step.h"

#include "builder/remote/fetched_file.h"
#include "builder/remote/git_files.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {

FetchOutcome fetch_file(const FetchUrl& fetch, Services& services, bool ignore_cache) {
    RemoteAccess access = services.remote(ignore_cache);
    const auto [content, cached] = fetch_to_store(fetch.url, fetch.checksum, access);
    layerstore::Entry file;
    file.mode = 0600;
    file.size = content.size;
    file.content = content.blob;
    file.mtime = {content.modified, 0};
    layerstore::TreeDelta delta =
        layerstore::TreeDelta::build({{ImagePath().child(fetch.file_name), layerstore::ChangeKind::put, file}});
    return {layerstore::apply(layerstore::Tree(), delta),
            contents_of(content, fetch.url, services.store),
            cached,
            {},
            content.blob.text()};
}

FetchOutcome fetch_git(const FetchGit& fetch, Services& services, bool ignore_cache) {
    RemoteAccess access = services.remote(ignore_cache);
    GitFiles files = fetch_git_files(fetch.source, fetch.keep_git_dir, access);
    if (services.times.are_kept())
        files.tree = layerstore::apply(layerstore::Tree(),
                                       layerstore::with_times(layerstore::as_delta(files.tree), {files.time, 0}));
    return {std::move(files.tree), std::move(files.contents), files.cached, "commit " + files.commit, files.commit};
}

}  // namespace imgbuild::builder
