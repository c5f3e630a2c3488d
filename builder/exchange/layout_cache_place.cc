// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/directory.h"
#include "base/error.h"
#include "base/file_lock.h"
#include "base/temporary_directory.h"
#include "base/text.h"
#include "builder/exchange/cache_place.h"
#include "builder/fetch/helper_program.h"
#include "layerstore/blob/blob_store.h"
#include "layerstore/image/image.h"
#include "layerstore/image/layout.h"

namespace imgbuild::builder {
namespace {

using layerstore::BlobStore;
using layerstore::Descriptor;
using layerstore::Index;

constexpr const char* layout_marker_name = "oci-layout";
constexpr const char* pending_name = ".pending";  // blobs that are being written

class LayoutCachePlace final : public CachePlace {
  public:
    LayoutCachePlace(std::string path, std::string tag)
        : path_(std::move(path)), tag_(std::move(tag)), name_("cache in " + printable(path_)) {}

    const std::string& name() const override { return name_; }

    std::optional<std::string> read_manifest() override {
        return with_context(name_, [&]() -> std::optional<std::string> {
            const std::optional<Directory> layout = open();
            if (!layout || !layout->status(ImagePath().child(layout_marker_name))) return std::nullopt;
            return read_manifest(*layout, layerstore::read_layout_index(*layout));
        });
    }

    void read_blob(const Descriptor& blob, ByteWriter& out) override {
        with_context(name_, [&] {
            const std::optional<Directory> layout = open();
            if (!layout) throw Error(ErrorKind::not_found, "the directory is gone");
            copy_all(*BlobStore(layout->duplicate(), Directory()).open(blob.digest, blob.size, blob.digest.text()),
                     out);
        });
    }

    bool has_blob(const Descriptor& blob) override {
        const std::optional<Directory> layout = open();
        return layout && BlobStore(layout->duplicate(), Directory()).size(blob.digest) == blob.size;
    }

    void write_blob(const Descriptor& blob, const Fd& file) override {
        with_context(name_, [&] {
            const Directory layout = create();
            const TemporaryDirectory scratch = TemporaryDirectory::create_in(pending_in(layout));
            const BlobStore blobs(layout.duplicate(), scratch.directory().duplicate());
            const auto writer = blobs.begin();
            FilePartReader bytes(std::make_shared<Fd>(file.duplicate()), 0, blob.size, blob.digest.text());
            copy_all(bytes, *writer);
            writer->commit_expecting(blob.digest, blob.size, blob.digest.text());
        });
    }

    void change_manifest(const Change& change) override {
        with_context(name_, [&] {
            const Directory layout = create();
            const FileLock lock = FileLock::acquire(layout, layerstore::index_lock_name, LockMode::exclusive);
            Index index = layerstore::read_layout_index(layout);
            const std::optional<std::string> bytes = change(read_manifest(layout, index));
            if (!bytes) return;
            Descriptor manifest{.media_type = std::string(layerstore::media_type::oci_manifest),
                                .digest = Sha256::of(*bytes),
                                .size = bytes->size()};
            write_blob(manifest, text_as_input(*bytes));
            std::erase_if(index.manifests, [&](const Descriptor& other) { return is_ours(other); });
            manifest.annotations = {{std::string(layerstore::annotation_ref_name), tag_}};
            index.manifests.push_back(std::move(manifest));
            layerstore::write_layout_index(layout, index, Durability::none);
            drop_unused(layout, index);
        });
    }

  private:
    std::optional<Directory> open() const {
        try {
            return Directory::open_host(path_);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found) throw;
            return std::nullopt;
        }
    }

    Directory create() const {
        Directory layout = Directory::create_host(path_);
        const std::vector<std::string> names = layout.list();
        const bool is_layout = std::ranges::find(names, layout_marker_name) != names.end();
        const bool may_become_one = std::ranges::all_of(names, [](const std::string& name) {
            return name == "blobs" || name.starts_with("index.json") || name.starts_with('.');
        });
        if (!is_layout && !may_become_one)
            throw Error(ErrorKind::usage, "the directory holds something else",
                        "name an OCI image layout, or a directory that is empty or missing");
        if (!is_layout) {
            const FileLock lock = FileLock::acquire(layout, ".making.lock", LockMode::exclusive);
            layerstore::initialise_layout(layout);
        }
        return layout;
    }

    static Directory pending_in(const Directory& layout) {
        return layout.make_directory(ImagePath().child(pending_name));
    }

    bool is_ours(const Descriptor& manifest) const {
        const auto name = manifest.annotations.find(std::string(layerstore::annotation_ref_name));
        return name != manifest.annotations.end() && name->second == tag_;
    }

    std::optional<std::string> read_manifest(const Directory& layout, const Index& index) const {
        const auto found = std::ranges::find_if(index.manifests, [&](const Descriptor& m) { return is_ours(m); });
        if (found == index.manifests.end()) return std::nullopt;
        return BlobStore(layout.duplicate(), Directory())
            .read(found->digest, layerstore::max_manifest_bytes, found->digest.text());
    }

    // Under the lock. Who writes blobs at this moment looks for them again under the lock before naming them.
    static void drop_unused(const Directory& layout, const Index& index) {
        TemporaryDirectory::sweep(pending_in(layout));
        const BlobStore blobs(layout.duplicate(), Directory());
        std::set<Digest> named;
        for (const Descriptor& root : index.manifests)
            layerstore::for_each_blob(blobs, root, root.digest.text(),
                                      [&](const Descriptor& blob) { named.insert(blob.digest); });
        for (const Digest& blob : blobs.list())
            if (!named.contains(blob)) blobs.remove(blob);
    }

    std::string path_;
    std::string tag_;
    std::string name_;
};

}  // namespace

std::shared_ptr<CachePlace> layout_cache_place(const std::string& path, const std::string& tag) {
    return std::make_shared<LayoutCachePlace>(path, tag);
}

}  // namespace imgbuild::builder
