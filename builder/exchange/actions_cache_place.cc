// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/actions_cache_place.h"

#include <fmt/format.h>

#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "base/cancel.h"
#include "base/error.h"
#include "base/text.h"
#include "builder/exchange/actions_token.h"
#include "builder/fetch/helper_program.h"
#include "layerstore/image/image.h"

namespace imgbuild::builder {
namespace {

using layerstore::Descriptor;
using std::chrono::milliseconds;

constexpr milliseconds between_looks{500};
constexpr int most_copies = 8;  // of one entry, whose writers died

class ActionsCachePlace final : public CachePlace {
  public:
    ActionsCachePlace(ActionsPlace place, ActionsScope scope)
        : service_(std::move(place.service)),
          patience_(place.patience),
          may_write_(scope.may_write),
          row_(fmt::format("imgbuild-{}-{}#", place.scope, Sha256::of(scope.ref).hex().substr(0, 8))),
          name_(fmt::format("cache of GitHub Actions ({}{}{})", printable(place.scope), scope.ref.empty() ? "" : ", ",
                            printable(scope.ref))) {}

    const std::string& name() const override { return name_; }

    std::optional<std::string> read_manifest() override {
        return with_context(name_, [&]() -> std::optional<std::string> {
            const auto latest = read_latest();
            return latest ? std::optional(latest->bytes) : std::nullopt;
        });
    }

    void read_blob(const Descriptor& blob, ByteWriter& out) override {
        with_context(name_, [&] {
            if (!load_actions_entry(service_, {copies_of(blob), true}, blob.size, blob.size, out))
                throw Error(ErrorKind::not_found, fmt::format("{}: not there any more", blob.digest.text()));
        });
    }

    bool has_blob(const Descriptor& blob) override {
        {
            const std::lock_guard lock(mutex_);
            if (present_.contains(blob.digest)) return true;
        }
        return with_context(name_, [&] { return find_blob(blob); });
    }

    void write_blob(const Descriptor& blob, const Fd& file) override {
        with_context(name_, [&] {
            require_right_to_write();
            for (int copy = 1; copy <= most_copies; ++copy) {
                if (save_actions_entry(service_, fmt::format("{}{}", copies_of(blob), copy), file, blob.size))
                    return note_present(blob.digest);
                // Somebody brings the same bytes at this moment, or did not come to an end.
                const auto end = std::chrono::steady_clock::now() + (copy == 1 ? patience_ : milliseconds(0));
                for (;;) {
                    if (find_blob(blob)) return;
                    if (std::chrono::steady_clock::now() >= end) break;
                    pause_for(between_looks);
                }
            }
            throw Error(ErrorKind::unavailable,
                        fmt::format("{}: the service takes no entry for it", blob.digest.text()));
        });
    }

    void change_manifest(const Change& change) override {
        with_context(name_, [&] {
            std::uint64_t lost = 0;  // numbers that somebody took and did not write
            std::uint64_t last = 0;
            auto since = std::chrono::steady_clock::now();  // that nothing is behind `last`
            for (;;) {
                const auto latest = read_latest();
                const auto bytes = change(latest ? std::optional(latest->bytes) : std::nullopt);
                if (!bytes) return;
                require_right_to_write();
                const std::uint64_t number = latest ? latest->number : 0;
                if (std::exchange(last, number) != number) {
                    lost = 0;
                    since = std::chrono::steady_clock::now();
                }
                if (save_actions_entry(service_, fmt::format("{}{}", row_, number + 1 + lost), text_as_input(*bytes),
                                       bytes->size()))
                    return;
                if (std::chrono::steady_clock::now() - since < patience_)
                    pause_for(between_looks);
                else if (++lost == most_copies)
                    throw Error(ErrorKind::unavailable, "the service takes no entry for the records");
            }
        });
    }

    // Each is an entry of its own, and their number in a minute is limited.
    std::chrono::seconds pause() const override { return std::chrono::seconds(20); }

  private:
    struct Latest {
        std::uint64_t number;
        std::string bytes;
    };

    std::optional<Latest> read_latest() {
        MemoryWriter out;
        const auto key = load_actions_entry(service_, {row_, true}, layerstore::max_manifest_bytes, std::nullopt, out);
        const auto number = key && key->starts_with(row_) ? parse_unsigned(key->substr(row_.size())) : std::nullopt;
        if (!number) return std::nullopt;
        return Latest{*number, out.take()};
    }

    // What begins the keys of entries with these bytes: one is enough, and there is a second where its writer died.
    static std::string copies_of(const Descriptor& blob) { return fmt::format("imgbuild-blob-{}#", blob.digest.hex()); }

    bool find_blob(const Descriptor& blob) {
        const bool is_there = find_actions_entry(service_, {copies_of(blob), true}).has_value();
        if (is_there) note_present(blob.digest);
        return is_there;
    }

    void note_present(const Digest& blob) {
        const std::lock_guard lock(mutex_);
        present_.insert(blob);
    }

    void require_right_to_write() const {
        if (!may_write_)
            throw Error(ErrorKind::unavailable, "the job may read the cache and not write it",
                        "so it is in a pull request from a fork, and what it does not find it builds");
    }

    static void pause_for(milliseconds time) {
        std::this_thread::sleep_for(time);
        throw_if_cancelled();
    }

    ActionsService service_;
    milliseconds patience_;
    bool may_write_;
    std::string row_;
    std::string name_;
    std::mutex mutex_;
    std::set<Digest> present_;  ///< blobs that the service has
};

// A token that says nothing of scopes is for the service to judge.
std::vector<ActionsScope> scopes_of(const ActionsPlace& place) {
    std::vector<ActionsScope> scopes = scopes_of_actions_token(place.service.token);
    if (scopes.empty()) scopes.push_back({"", true});
    return scopes;
}

}  // namespace

std::shared_ptr<CachePlace> actions_cache_target(const ActionsPlace& place) {
    return std::make_shared<ActionsCachePlace>(place, scopes_of(place).front());
}

std::vector<std::shared_ptr<CachePlace>> actions_cache_sources(const ActionsPlace& place) {
    std::vector<std::shared_ptr<CachePlace>> sources;
    for (const ActionsScope& scope : scopes_of(place))
        sources.push_back(std::make_shared<ActionsCachePlace>(place, scope));
    return sources;
}

}  // namespace imgbuild::builder
