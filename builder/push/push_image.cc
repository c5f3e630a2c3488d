// SPDX-License-Identifier: Apache-2.0
#include "builder/push/push_image.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <set>
#include <utility>

#include "base/directory.h"
#include "base/error.h"
#include "base/task_pool.h"
#include "builder/fetch/documents.h"
#include "builder/fetch/push.h"
#include "builder/push/referrers.h"
#include "layerstore/image/image.h"
#include "layerstore/image/layout.h"
#include "layerstore/image/reference.h"

namespace imgbuild::builder {
namespace {

using layerstore::Descriptor;
using layerstore::Reference;

// What an image consists of, each once.
struct ImageParts {
    std::vector<Descriptor> layers;
    std::vector<Descriptor> configs;
};

// The bytes of such a layer are where its manifest says, and must not be copied.
bool stays_elsewhere(const Descriptor& blob) {
    return blob.media_type.find(".foreign.") != std::string::npos ||
           blob.media_type.find(".nondistributable.") != std::string::npos;
}

// The bytes are checked by whom they are sent to. O_NONBLOCK: what took the file's place must not hang us.
Fd open_blob(const layerstore::BlobStore& blobs, const Descriptor& blob, const std::string& what) {
    const std::string name = fmt::format("{}: blob {}", what, blob.digest.text());
    const auto size = blobs.size(blob.digest);
    auto file =
        blobs.directory().try_open(ImagePath().child(blob.digest.hex()), O_RDONLY | O_NONBLOCK, FollowLinks::never);
    if (!size || !file) throw Error(ErrorKind::not_found, fmt::format("{}: missing", name));
    if (*size != blob.size)
        throw Error(ErrorKind::corrupt, fmt::format("{}: {} bytes instead of {}", name, *size, blob.size));
    return *std::move(file);
}

// All manifests and indexes; what names comes behind what it names, the root is last.
std::vector<Descriptor> documents_of(const PushSource& source, const std::string& what) {
    std::vector<Descriptor> documents;
    layerstore::for_each_blob(source.blobs, source.root, what, [&](const Descriptor& blob) {
        if (is_document(blob.media_type)) documents.push_back(blob);
    });
    std::ranges::reverse(documents);
    return documents;
}

// What some of an image's documents name.
ImageParts parts_of(const PushSource& source, const std::vector<Descriptor>& documents, const std::string& what) {
    ImageParts parts;
    std::set<Digest> seen;
    const auto take = [&](const Descriptor& blob) {
        if (is_document(blob.media_type) || stays_elsewhere(blob) || !seen.insert(blob.digest).second) return;
        (layerstore::is_image_config(blob.media_type) ? parts.configs : parts.layers).push_back(blob);
    };
    for (const Descriptor& document : documents)
        if (!layerstore::is_index(document.media_type)) layerstore::for_each_blob(source.blobs, document, what, take);
    return parts;
}

// Pushes one image to one repository.
class Push {
  public:
    Push(const PushSource& source, const Reference& repository, std::string known)
        : source_(source), repository_(repository), known_(std::move(known)) {}

    PushReport run(const std::vector<Descriptor>& documents, const std::vector<std::string>& tags, std::size_t jobs) {
        const std::string what = "push " + repository_.name();
        report_.repository = repository_.name();
        report_.tags = tags;
        // A manifest that is there has everything behind it.
        const std::vector<Descriptor> missing = missing_manifests(repository_, documents);
        const ImageParts all = parts_of(source_, documents, what);
        const ImageParts parts = parts_of(source_, missing, what);
        report_.present = all.layers.size() + all.configs.size() - parts.layers.size() - parts.configs.size();
        push_all(parts.layers, jobs);
        push_all(parts.configs, jobs);
        for (const Descriptor& document : documents) {
            const bool is_root = document.digest == source_.root.digest;
            const bool is_missing = std::ranges::find(missing, document.digest, &Descriptor::digest) != missing.end();
            const std::string bytes = source_.blobs.read(document.digest, layerstore::max_manifest_bytes, what);
            const auto subject = subject_of(bytes, what);
            if (!is_root && !is_missing && !subject) continue;
            const bool lists_referrers =
                push_manifest(repository_, document, bytes, is_root ? tags : std::vector<std::string>{});
            if (subject && !lists_referrers) note_referrer(repository_, document, bytes, subject->digest);
        }
        return report_;
    }

  private:
    // All are waited for, also behind one that failed: they borrow what is ours.
    void push_all(const std::vector<Descriptor>& blobs, std::size_t jobs) {
        const std::vector<Descriptor> missing = missing_blobs(repository_, blobs);
        report_.present += blobs.size() - missing.size();
        TaskPool pool(std::min(jobs, std::max<std::size_t>(missing.size(), 1)));
        std::vector<std::future<void>> running;
        for (const Descriptor& blob : missing) running.push_back(pool.submit([this, &blob] { push(blob); }));
        for (std::future<void>& one : running) one.wait();
        for (std::future<void>& one : running) one.get();
    }

    void push(const Descriptor& blob) {
        {
            const std::lock_guard lock(mutex_);
            if (has_failed_) return;
        }
        try {
            count(blob, carry_over(blob));
        } catch (...) {
            const std::lock_guard lock(mutex_);
            has_failed_ = true;
            throw;
        }
    }

    PushOutcome carry_over(const Descriptor& blob) {
        const std::string from = repository_that_has(blob.digest);
        const bool is_here = source_.blobs.size(blob.digest) == blob.size;
        if (is_here || from.empty()) return upload(blob, from);
        // What another repository has need not be brought first.
        const PushOutcome outcome = push_blob(repository_, blob, from, Fd());
        return outcome == PushOutcome::needed ? upload(blob, "") : outcome;
    }

    PushOutcome upload(const Descriptor& blob, const std::string& from) {
        if (source_.bring) source_.bring(blob);
        return push_blob(repository_, blob, from, open_blob(source_.blobs, blob, "push " + repository_.name()));
    }

    std::string repository_that_has(const Digest& blob) const {
        if (!known_.empty()) return known_;
        std::string found = source_.find_repository ? source_.find_repository(repository_.domain, blob) : "";
        return found == repository_.repository ? std::string() : found;
    }

    void count(const Descriptor& blob, PushOutcome outcome) {
        const std::lock_guard lock(mutex_);
        if (outcome == PushOutcome::mounted) ++report_.mounted;
        if (outcome != PushOutcome::uploaded) return;
        ++report_.uploaded;
        report_.uploaded_bytes += blob.size;
    }

    const PushSource& source_;
    const Reference& repository_;
    std::string known_;  ///< a repository of the same registry that has all of it; may be empty
    std::mutex mutex_;
    PushReport report_;
    bool has_failed_ = false;
};

}  // namespace

void push_image(const PushSource& source, const std::vector<std::string>& names, const PushOptions& options,
                const std::function<void(const PushReport&)>& done) {
    std::vector<std::pair<Reference, std::vector<std::string>>> targets;
    for (const std::string& name : names) {
        const Reference reference = Reference::parse(name);
        auto target = std::ranges::find_if(targets, [&](const auto& t) { return t.first.name() == reference.name(); });
        if (target == targets.end()) target = targets.insert(targets.end(), {reference, {}});
        if (!options.by_digest && !reference.tag.empty()) target->second.push_back(reference.tag);
    }
    if (targets.empty()) return;
    const std::vector<Descriptor> documents = documents_of(source, "push " + names.front());
    std::vector<Reference> pushed;
    for (const auto& target : targets) {
        const Reference& reference = target.first;
        const auto earlier = std::ranges::find(pushed, reference.domain, &Reference::domain);
        const std::string known = earlier == pushed.end() ? std::string() : earlier->repository;
        done(with_context("push",
                          [&] { return Push(source, reference, known).run(documents, target.second, options.jobs); }));
        pushed.push_back(reference);
    }
}

}  // namespace imgbuild::builder
