// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/services.h"

#include <fcntl.h>

#include "builder/solve/secrets.h"
#include "layerstore/snapshot/trust.h"

namespace imgbuild::builder {
namespace {

bool is_materialised_somewhere(const layerstore::Store& store, const DeltaId& delta) {
    Directory deltas = store.subdirectory("deltas");
    for (const std::string& spelling : deltas.list()) {
        std::optional<Fd> folder =
            deltas.try_open(ImagePath().child(spelling), O_RDONLY | O_DIRECTORY, FollowLinks::never);
        if (folder && layerstore::is_trusted(deltas, Directory(std::move(*folder), spelling), delta.value.hex()))
            return true;
    }
    return false;
}

}  // namespace

BytesMissing::BytesMissing(const DeltaId& delta)
    : Error(ErrorKind::corrupt,
            "the store: delta " + delta.value.short_hex() + ": its record or its bytes are missing or damaged",
            "build again; if that does not help, imgbuild fsck --repair") {}

Sandbox& LazySandbox::get() {
    std::lock_guard lock(mutex_);
    if (sandbox_) return *sandbox_;
    const Rung rung = find_rung(store_.path() + "/pending", wanted_);
    sandbox_ = make_sandbox(rung, store_.path());
    if (const std::string weakness = weakness_of(rung); !weakness.empty()) notices_.tell_once(weakness);
    return *sandbox_;
}

void Notices::listen(std::function<void(std::string)> listener) {
    std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
}

void Notices::tell_once(const std::string& notice) {
    std::lock_guard lock(mutex_);
    if (told_.insert(notice).second && listener_) listener_(notice);
}

Services::Services(layerstore::Store& of_store, layerstore::Store::Lease& of_lease, const SolveOptions& of_options)
    : options(of_options),
      times{of_options.timestamps, of_options.file_time},
      store(of_store),
      lease(of_lease),
      records(of_store.records()),
      memos(records),
      packing(packing_of(time_of_entries(), of_options.packing)),
      imported(*this, of_options.imports),
      sandbox(of_store, of_options.root_mode, notices),
      workers(available_processors()) {}

RemoteAccess Services::remote(bool ignore_cache) {
    return {store,
            lease,
            memos,
            workers,
            options.offline,
            ignore_cache,
            find_secret_in(options.run),
            default_ssh_socket(options.run)};
}

void Services::renew_cache_mount(const std::string& id) {
    // Held over the removal: nobody mounts what is about to go.
    const std::lock_guard lock(renewing);
    if (renewed_cache_mounts.insert(id).second) sandbox.get().remove_cache_mount(id);
}

std::optional<layerstore::LayerRecord> Services::find_blob(const DeltaId& delta) {
    for (layerstore::LayerRecord& layer : records.layers_of(delta)) {
        lease.add(layer.blob.digest);
        if (store.blobs().has(layer.blob.digest)) return std::move(layer);
    }
    return std::nullopt;
}

bool Services::has_bytes(const DeltaId& delta, bool strictly) {
    lease.add(delta);
    if (find_blob(delta)) return true;
    return strictly ? sandbox.get().has(delta) : is_materialised_somewhere(store, delta);
}

layerstore::TreeDelta Services::load_delta(const DeltaId& delta) {
    std::optional<layerstore::TreeDelta> found = records.load_delta(delta);
    if (!found) throw BytesMissing(delta);
    return std::move(*found);
}

}  // namespace imgbuild::builder
