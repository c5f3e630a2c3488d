// SPDX-License-Identifier: Apache-2.0
#include "layerstore/store/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/snapshot/trust.h"
#include "layerstore/store/detail/format.h"
#include "layerstore/store/detail/leases.h"

namespace imgbuild::layerstore {
namespace {

constexpr const char* pending_name = "pending";

// What making a store leaves when it is stopped half way: then it is made again.
constexpr std::array<std::string_view, 6> parts = {"use.lock", "pending",    "leases",
                                                   "blobs",    "index.json", "oci-layout"};

std::optional<std::string> variable(const char* name) {
    const char* value = std::getenv(name);
    return value && *value ? std::optional<std::string>(value) : std::nullopt;
}

bool may_write(const Directory& directory) { return ::faccessat(directory.fd(), ".", W_OK, AT_EACCESS) == 0; }

void sync_file(const Directory& root, const char* name) {
    const Fd file = root.open(ImagePath().child(name), O_RDONLY, FollowLinks::never);
    if (::fsync(file.get()) < 0) throw_errno("sync", root.name() + "/" + name);
}

void make_parts(const Directory& root) {
    if (::fchmod(root.fd(), 0700) < 0) throw_errno("set the mode of", root.name());
    root.make_directory(ImagePath().child(pending_name));
    root.make_directory(ImagePath().child(detail::leases_name));
    initialise_layout(root);
    // What is a store after a power loss is a whole one.
    sync_file(root, "index.json");
    sync_file(root, "oci-layout");
    // Last: with this file the directory is a store.
    detail::write_format(root, {.owner = ::geteuid()});
}

void refuse_other_content(const Directory& root) {
    for (const std::string& name : root.list()) {
        const bool is_part = std::find(parts.begin(), parts.end(), name) != parts.end() || name.starts_with(".new-");
        // Another process may have made it a store since we looked.
        if (!is_part && !detail::read_format(root))
            throw Error(ErrorKind::invalid_input,
                        fmt::format("open the store: {}: holds \"{}\" and is no store of imgbuild", root.name(),
                                    printable(name)),
                        "name an empty or a new directory with --store");
    }
}

// The first process alone sweeps: then nobody is between making a directory in pending/ and locking it.
FileLock enter(const Directory& root, const Directory& pending) {
    if (const auto alone = FileLock::try_acquire(root, detail::use_lock_name, LockMode::exclusive)) {
        TemporaryDirectory::sweep(pending);
        detail::sweep_leases(root);
    }
    return FileLock::acquire(root, detail::use_lock_name, LockMode::shared);
}

// Under its absolute path: processes of the sandbox that start from it work in other directories. A store of mode
// 0700 cannot even be looked into by others; they are told whose it is all the same.
Directory open_root(const std::string& given) {
    std::error_code error;
    const std::string path = std::filesystem::absolute(given, error);
    if (error) throw_errno("find", "the working directory", error.value());
    try {
        return Directory::create_host(path);
    } catch (const Error& refusal) {
        struct stat status {};
        if (refusal.kind() == ErrorKind::denied && ::stat(path.c_str(), &status) == 0)
            detail::check_owner(status.st_uid, path);
        throw;
    }
}

}  // namespace

std::unique_ptr<Store> Store::open(const std::string& path, StoreDurability durability) {
    std::unique_ptr<Store> store(new Store);
    store->durability_ = durability;
    store->root_ = open_root(path);
    const Directory& root = store->root_;
    auto format = detail::read_format(root);
    if (!format) {
        refuse_other_content(root);
        const FileLock alone = FileLock::acquire(root, detail::use_lock_name, LockMode::exclusive);
        format = detail::read_format(root);
        if (!format) make_parts(root);
    }
    if (!may_write(root)) {
        store->blobs_ = std::make_unique<BlobStore>(root.duplicate(), Directory());
        return store;
    }
    if (format) detail::check_owner(format->owner, path);
    store->is_writable_ = true;
    store->pending_ = root.make_directory(ImagePath().child(pending_name));
    store->use_ = enter(root, store->pending_);
    store->scratch_ = TemporaryDirectory::create_in(store->pending_);
    store->blobs_ = std::make_unique<BlobStore>(root.duplicate(), store->scratch_->directory().duplicate());
    return store;
}

std::string Store::default_path() {
    if (auto path = variable("IMGBUILD_STORE")) return *path;
    if (::geteuid() == 0) return "/var/lib/imgbuild";
    if (auto data = variable("XDG_DATA_HOME")) return *data + "/imgbuild";
    if (auto home = variable("HOME")) return *home + "/.local/share/imgbuild";
    throw Error(ErrorKind::usage, "open the store: neither HOME nor XDG_DATA_HOME is set",
                "name a directory with --store or IMGBUILD_STORE");
}

Store::~Store() = default;

void Store::require_writable(std::string_view doing) const {
    if (!is_writable())
        throw Error(ErrorKind::denied, fmt::format("{}: {}: the store is opened for reading only", doing, path()),
                    "it cannot be written by you here; another one is named with --store");
}

Records& Store::records() {
    const std::lock_guard<std::mutex> lock(records_mutex_);
    if (!records_)
        records_ = std::make_unique<Records>(
            path(), is_writable() ? RecordsAccess::read_write : RecordsAccess::read_only, durability_);
    return *records_;
}

Directory Store::subdirectory(const std::string& name) const { return root_.make_directory(ImagePath().child(name)); }

void Store::sync() {
    if (durability_ == StoreDurability::none) return;
    const BootMoment moment = BootMoment::now();
    blobs_->sync();
    record_sync(subdirectory("deltas"), moment);
}

void Store::sync_before_record() {
    if (durability_ == StoreDurability::steps) sync();
}

Store::Lease::Lease(Directory directory, std::string name, FileLock lock, FileLock gate)
    : directory_(std::move(directory)), name_(std::move(name)), lock_(std::move(lock)), gate_(std::move(gate)) {
    gate_.pause();
}

Store::Lease::~Lease() { ::unlinkat(directory_.fd(), name_.c_str(), 0); }

// What stands there already is not written again: whoever collects has seen it, or will.
void Store::Lease::add(const DeltaId* delta, const Digest* blob) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::string lines;
    if (delta && !deltas_.contains(*delta)) lines += fmt::format("delta {}\n", delta->value.hex());
    if (blob && !blobs_.contains(*blob)) lines += fmt::format("blob {}\n", blob->hex());
    if (lines.empty()) return;
    gate_.resume(LockMode::shared);
    try {
        FdWriter(lock_.fd(), directory_.name() + "/" + name_).write(as_bytes(lines));
    } catch (...) {
        gate_.pause();
        throw;
    }
    gate_.pause();
    if (delta) deltas_.insert(*delta);
    if (blob) blobs_.insert(*blob);
}

void Store::Lease::add(const Digest& blob) { add(nullptr, &blob); }
void Store::Lease::add(const DeltaId& delta) { add(&delta, nullptr); }
void Store::Lease::add(const DeltaId& delta, const Digest& blob) { add(&delta, &blob); }

std::set<Digest> Store::Lease::blobs() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return blobs_;
}

// A second name and then none of the first: as good as a rename, for directories a removal.
void Store::set_aside(const Directory& directory, const std::string& name) {
    const Directory corrupt = subdirectory("corrupt");
    corrupt.remove_tree(name);
    static_cast<void>(::linkat(directory.fd(), name.c_str(), corrupt.fd(), name.c_str(), 0));
    directory.remove_tree(name);
}

std::vector<Digest> Store::take_out_damaged(const Lease& lease) {
    std::vector<Digest> damaged;
    for (const Digest& blob : lease.blobs()) {
        const std::optional<std::uint64_t> size = blobs_->size(blob);
        if (!size || blobs_->is_whole(blob, *size)) continue;
        set_aside(blobs_->directory(), blob.hex());
        damaged.push_back(blob);
    }
    return damaged;
}

std::unique_ptr<Store::Lease> Store::lease() {
    require_writable("note what is used");
    Directory directory = subdirectory(detail::leases_name);
    auto [name, lock] = detail::make_lease(directory);
    return std::unique_ptr<Lease>(new Lease(std::move(directory), std::move(name), std::move(lock),
                                            detail::lock_leases(root_, LockMode::shared)));
}

}  // namespace imgbuild::layerstore
