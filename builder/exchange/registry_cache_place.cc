// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "base/cancel.h"
#include "base/error.h"
#include "base/text.h"
#include "builder/exchange/cache_place.h"
#include "builder/fetch/fetch.h"
#include "builder/fetch/push.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {
namespace {

using layerstore::Descriptor;
using std::chrono::milliseconds;

// A change of the tag by somebody else takes as long as one of ours, give or take what machines differ in.
constexpr milliseconds least_settling{500};
constexpr milliseconds most_settling{10'000};
constexpr int slower_than_us = 4;
// That somebody came between. Every time some exporter succeeds, so that a hundred at once come to an end.
constexpr int most_changes = 100;
constexpr milliseconds longest_step_aside{300};

class RegistryCachePlace final : public CachePlace {
  public:
    RegistryCachePlace(layerstore::Reference reference, CacheAccess access)
        : reference_(std::move(reference)), access_(access), name_("cache " + printable(reference_.familiar())) {}

    const std::string& name() const override { return name_; }

    std::optional<std::string> read_manifest() override {
        return with_context(name_, [&] { return find_manifest(); });
    }

    void read_blob(const Descriptor& blob, ByteWriter& out) override {
        with_context(name_, [&] {
            if (!layerstore::is_index(blob.media_type) && !layerstore::is_manifest(blob.media_type))
                return fetch_blob(reference_, blob, out);
            layerstore::Reference document = reference_;
            document.digest = blob.digest;
            out.write(as_bytes(fetch_manifest(document).bytes));
        });
    }

    bool has_blob(const Descriptor& blob) override {
        {
            const std::lock_guard lock(mutex_);
            if (present_.contains(blob.digest)) return true;
        }
        const bool is_there = with_context(name_, [&] { return missing_blobs(reference_, {blob}).empty(); });
        if (is_there) note_present({blob});
        return is_there;
    }

    void write_blob(const Descriptor& blob, const Fd& file) override {
        with_context(name_, [&] { push_blob(reference_, blob, "", file); });
        note_present({blob});
    }

    void change_manifest(const Change& change) override {
        with_context(name_, [&] {
            for (int attempt = 0; attempt < most_changes; ++attempt) {
                const std::optional<std::string> there = find_manifest();
                const std::optional<std::string> bytes = change(there);
                if (!bytes || replace(there, *bytes)) return;
                step_aside();
            }
            throw Error(ErrorKind::unavailable, "other builds change it all the time",
                        "give each branch or job a tag of its own");
        });
    }

    // Each leaves an old blob of records behind until the registry collects its garbage.
    std::chrono::seconds pause() const override { return std::chrono::seconds(5); }

    milliseconds settling() const override {
        const std::lock_guard lock(mutex_);
        return std::clamp<milliseconds>(slower_than_us * longest_window_, least_settling, most_settling);
    }

  private:
    std::optional<std::string> find_manifest() {
        std::optional<std::string> bytes = builder::find_manifest(reference_, access_ == CacheAccess::write);
        if (bytes) note_named_blobs(*bytes);
        return bytes;
    }

    bool replace(const std::optional<std::string>& there, const std::string& bytes) {
        const Descriptor manifest{.media_type = std::string(layerstore::media_type::oci_manifest),
                                  .digest = Sha256::of(bytes),
                                  .size = bytes.size()};
        const auto expected = there ? std::optional(Sha256::of(*there)) : std::nullopt;
        try {
            const ReplaceOutcome outcome = replace_manifest(reference_, manifest, bytes, expected);
            const std::lock_guard lock(mutex_);
            longest_window_ = std::max(longest_window_, outcome.window);
            return outcome.replaced;
        } catch (const Error& error) {
            // The registry may have collected what nobody named for a while: once all of it is looked for again.
            if (error.kind() != ErrorKind::unavailable || std::exchange(has_failed_, true)) throw;
            const std::lock_guard lock(mutex_);
            present_.clear();
            return false;
        }
    }

    static void step_aside() {
        thread_local std::mt19937 random{std::random_device{}()};
        std::this_thread::sleep_for(milliseconds(random() % static_cast<unsigned>(longest_step_aside.count())));
        throw_if_cancelled();
    }

    void note_named_blobs(const std::string& bytes) {
        try {
            const auto manifest = layerstore::Manifest::parse(bytes, "", name_);
            note_present(manifest.layers);
            note_present({manifest.config});
        } catch (const Error&) {
            // An index, or something else: who reads it says so.
        }
    }

    void note_present(const std::vector<Descriptor>& blobs) {
        const std::lock_guard lock(mutex_);
        for (const Descriptor& blob : blobs) present_.insert(blob.digest);
    }

    layerstore::Reference reference_;
    CacheAccess access_;
    std::string name_;
    mutable std::mutex mutex_;
    std::set<Digest> present_;  ///< that the registry has, as it said or as its manifests say
    milliseconds longest_window_{0};
    bool has_failed_ = false;  ///< to change the tag
};

}  // namespace

std::shared_ptr<CachePlace> registry_cache_place(const layerstore::Reference& reference, CacheAccess access) {
    return std::make_shared<RegistryCachePlace>(reference, access);
}

}  // namespace imgbuild::builder
