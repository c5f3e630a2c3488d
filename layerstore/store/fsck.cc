// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/store/detail/format.h"
#include "layerstore/store/detail/references.h"
#include "layerstore/store/store.h"

namespace imgbuild::layerstore {

/// One check of a whole store. What is worst comes first: names, then blobs, then what can be made again.
class Checker {
  public:
    Checker(Store& store, bool repair, const DeltaAccess& deltas)
        : store_(store), repair_(repair), delta_access_(deltas) {}

    std::vector<Finding> run() {
        Index index = check_index();
        check_blobs();
        check_images(index);
        try {
            check_records();
            if (repair_ || !is_database_damaged_) check_deltas();
        } catch (const Error& error) {
            // Only where nothing may be repaired: else the file would have been begun anew.
            if (error.kind() != ErrorKind::corrupt || repair_) throw;
            report("records", "database: " + error.message(), false);
        }
        return std::move(findings_);
    }

  private:
    void report(std::string object, std::string what, bool is_repaired) {
        findings_.push_back({std::move(object), std::move(what), is_repaired});
    }

    Index check_index() {
        try {
            return read_layout_index(store_.root());
        } catch (const Error& error) {
            report("index.json", error.message(), repair_);
        }
        Index previous{.media_type = std::string(media_type::oci_index)};
        try {
            const std::string text =
                store_.root().read_file(ImagePath().child(detail::previous_index_name), max_manifest_bytes);
            previous = Index::parse(text, detail::previous_index_name);
        } catch (const Error& error) {
            report(detail::previous_index_name, error.message(), false);
        }
        if (!repair_) return previous;
        const FileLock lock = FileLock::acquire(store_.root(), index_lock_name, LockMode::exclusive);
        store_.set_aside(store_.root(), "index.json");
        if (store_.root().status(ImagePath().child("oci-layout"))) store_.set_aside(store_.root(), "oci-layout");
        initialise_layout(store_.root());
        write_layout_index(store_.root(), previous, Durability::full);
        return previous;
    }

    void check_blobs() {
        const Directory& blobs = store_.blobs().directory();
        std::vector<std::string> names = blobs.list();
        std::sort(names.begin(), names.end());
        for (const std::string& name : names) {
            const auto digest = Digest::from_hex(name);
            if (digest)
                check_blob(*digest);
            else
                findings_.push_back(
                    {fmt::format("blobs/sha256/{}", printable(name)), "the name is no digest", take_out(name), true});
        }
    }

    void check_blob(const Digest& digest) {
        try {
            const std::uint64_t size = store_.blobs().size(digest).value_or(0);
            const auto reader = store_.blobs().open(digest, size, "");
            HashingWriter nowhere;
            copy_all(*reader, nowhere);
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::not_found) return;  // somebody prunes
            damaged_.insert(digest);
            report("blob " + digest.text(), error.message(), take_out(digest.hex()));
        }
    }

    bool take_out(const std::string& name) {
        if (!repair_) return false;
        store_.set_aside(store_.blobs().directory(), name);
        return true;
    }

    void check_images(const Index& index) {
        std::set<std::string> broken;
        for (const Descriptor& entry : index.manifests) {
            auto found = entry.annotations.find(std::string(annotation_image_name));
            const std::string name = found == entry.annotations.end() ? entry.digest.text() : printable(found->second);
            try {
                check_image_tree(entry, 0);
            } catch (const Error& error) {
                if (!is_named_now(entry)) continue;
                broken.insert(entry.digest.hex());
                report("image " + name, error.message() + ": build or pull it again", repair_);
            }
        }
        if (broken.empty() || !repair_) return;
        store_.change_index({broken.begin(), broken.end()}, [&](Index& now) {
            std::erase_if(now.manifests, [&](const Descriptor& entry) { return broken.count(entry.digest.hex()) > 0; });
        });
    }

    // An image that lost its names meanwhile may lose its blobs, too.
    bool is_named_now(const Descriptor& image) const {
        try {
            return std::ranges::any_of(read_layout_index(store_.root()).manifests,
                                       [&](const Descriptor& entry) { return entry.digest == image.digest; });
        } catch (const Error&) {
            return true;  // then index.json is what is damaged, and its earlier state is what is checked
        }
    }

    void require(const Descriptor& blob, std::string_view what) const {
        if (damaged_.count(blob.digest) > 0)
            throw Error(ErrorKind::corrupt, fmt::format("{} {}: damaged", what, blob.digest.text()));
        if (store_.blobs().size(blob.digest) != blob.size)
            throw Error(ErrorKind::corrupt,
                        fmt::format("{} {} of {} bytes: missing", what, blob.digest.text(), blob.size));
    }

    void check_image_tree(const Descriptor& descriptor, int level) const {
        require(descriptor, is_index(descriptor.media_type) ? "index" : "manifest");
        if (is_index(descriptor.media_type)) {
            if (level == max_index_levels) throw Error(ErrorKind::corrupt, "indexes are nested too deep");
            const std::string text = store_.blobs().read(descriptor.digest, max_manifest_bytes, "index");
            for (const Descriptor& inner : Index::parse(text, "index").manifests) check_image_tree(inner, level + 1);
            return;
        }
        Image image;
        image.manifest_bytes = store_.blobs().read(descriptor.digest, max_manifest_bytes, "manifest");
        image.manifest = Manifest::parse(image.manifest_bytes, descriptor.media_type, "manifest");
        require(image.manifest.config, "config");
        for (const Descriptor& layer : image.manifest.layers) require(layer, "layer");
        const bool is_of_attestations = descriptor.platform && descriptor.platform->is_unknown();
        if (is_of_attestations || !is_image_config(image.manifest.config.media_type)) return;
        image.config_bytes = store_.blobs().read(image.manifest.config.digest, max_config_bytes, "config");
        image.config = ImageConfig::parse(image.config_bytes, "config");
        check_image(image, "image");
    }

    void check_records() {
        Records& records = store_.records();
        for (const std::string& line : records.check(repair_)) {
            report("records", line, repair_);
            is_database_damaged_ = is_database_damaged_ || line.starts_with("database: ");
        }
        if (damaged_.empty() || !repair_) return;
        std::vector<MemoRow> using_damaged;
        auto is_damaged = [&](const Digest& digest) { return damaged_.count(digest) > 0; };
        records.each_memo([&](const MemoRow& memo) {
            if (!detail::digests_in(memo.value, is_damaged).empty()) using_damaged.push_back(memo);
        });
        for (const MemoRow& memo : using_damaged) records.remove_memo(memo.kind, memo.key);
        for (const Digest& digest : damaged_) records.remove_layer(digest);
    }

    // Empty also for one that somebody prunes.
    std::optional<DeltaLook> look_at(const detail::MaterialisedDelta& delta, const TreeDelta& record) const {
        if (!delta_access_.look) return std::nullopt;
        try {
            return delta_access_.look(delta.spelling, delta.id, record);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::not_found) throw;
            return std::nullopt;
        }
    }

    void check_deltas() {
        std::optional<std::int64_t> oldest_unseen_damage;
        for (const detail::MaterialisedDelta& delta : detail::materialised_deltas(store_.root())) {
            const std::string name = fmt::format("deltas/{}/{}", printable(delta.spelling), delta.id.value.hex());
            const auto record = store_.records().load_delta(delta.id);
            if (!record) {
                findings_.push_back({name, "no record knows it: `imgbuild prune` takes it away", false, true});
                continue;
            }
            auto look = look_at(delta, *record);
            // A second time: the first may have met a delta that somebody was replacing.
            if (look && !look->faults.empty()) look = look_at(delta, *record);
            if (!look || look->faults.empty()) continue;
            const bool is_gone = repair_ && delta_access_.remove && delta_access_.remove(delta.spelling, delta.id);
            for (const std::string& fault : look->faults) report(name, fault, is_gone);
            if (!look->was_changed)
                oldest_unseen_damage = std::min(oldest_unseen_damage.value_or(delta.modified), delta.modified);
        }
        if (repair_ && oldest_unseen_damage) forget_commands_since(*oldest_unseen_damage);
    }

    // Bytes that went bad by themselves were shown to every command that ran on them, and no key tells which did.
    void forget_commands_since(std::int64_t time) {
        std::vector<MemoRow> doubtful;
        store_.records().each_memo([&](const MemoRow& memo) {
            if (memo.kind == MemoKind::run && memo.created >= time) doubtful.push_back(memo);
        });
        for (const MemoRow& memo : doubtful) store_.records().remove_memo(memo.kind, memo.key);
        if (!doubtful.empty())
            report("records",
                   fmt::format("{} that may have seen damaged files are forgotten",
                               counted(doubtful.size(), "result", "results")),
                   true);
    }

    Store& store_;
    bool repair_;
    const DeltaAccess& delta_access_;
    bool is_database_damaged_ = false;
    std::set<Digest> damaged_;
    std::vector<Finding> findings_;
};

std::vector<Finding> Store::fsck(bool repair, const DeltaAccess& deltas) {
    if (repair) require_writable("repair");
    if (repair || !is_writable() || records_) return Checker(*this, repair, deltas).run();
    // Who only looks must not move a damaged database aside, as all others do.
    auto examine = [&]() -> std::vector<Finding> {
        try {
            records_ = std::make_unique<Records>(path(), RecordsAccess::examine);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::corrupt) throw;
            return {{"records", "database: " + error.message()}};
        }
        return Checker(*this, repair, deltas).run();
    };
    std::vector<Finding> findings = examine();
    records_.reset();
    return findings;
}

}  // namespace imgbuild::layerstore
