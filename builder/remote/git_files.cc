// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/git_files.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "base/text.h"
#include "builder/context/context_scan.h"
#include "builder/remote/spooled_tar.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::Tree;

GitRemote remote_of(const parser::GitSource& source, const RemoteAccess& access) {
    return {source.remote, git_authorization(access, source.remote), access.ssh_socket};
}

[[noreturn]] void refuse_offline(const parser::GitSource& source) {
    throw Error(ErrorKind::unavailable, fmt::format("git {}: was not fetched before", printable(text_of(source))),
                "build once without --offline");
}

GitRevision ask_for_revision(const parser::GitSource& source, RemoteAccess& access) {
    StepKey key("git reference");
    key.add("remote", source.remote);
    key.add("reference", source.reference);
    if (access.offline) {
        const auto words = access.memos.find_words(key);
        if (!words || words->size() != 2) refuse_offline(source);
        return {words->at(0), words->at(1)};
    }
    const TemporaryDirectory scratch = TemporaryDirectory::create_in(access.store.pending());
    GitRevision revision = resolve_git(remote_of(source, access), source.reference, scratch.directory());
    access.memos.put_words(key, {revision.commit, revision.reference});
    return revision;
}

StepKey key_of(const char* what, const parser::GitSource& source, const GitRevision& revision, bool keep_git_dir) {
    StepKey key(what);
    key.add("commit", revision.commit);
    key.add("submodules", std::uint64_t{source.submodules});
    key.add("git directory", std::uint64_t{keep_git_dir});
    // What .git says of where it came from.
    if (keep_git_dir) key.add("remote", source.remote).add("reference", revision.reference);
    return key;
}

/// Files of a checkout, which lies there as long as somebody may read them.
class CheckoutContents final : public layerstore::ContentSource {
  public:
    CheckoutContents(std::shared_ptr<const TemporaryDirectory> folder, std::shared_ptr<ContentSource> files)
        : folder_(std::move(folder)), files_(std::move(files)) {}
    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override {
        return files_->open(content, size);
    }

  private:
    std::shared_ptr<const TemporaryDirectory> folder_;
    std::shared_ptr<ContentSource> files_;
};

// What git wrote is foreign: it is walked as any context is, without following a link.
ScannedContext scan_checkout(const Directory& scratch, bool keep_git_dir, RemoteAccess& access) {
    parser::Diagnostics diagnostics;
    const std::vector<std::string> patterns{"**/.git"};
    const auto without_git = parser::IgnoreRules::from_patterns(patterns, {}, diagnostics);
    ContextOptions options;
    options.ignore = keep_git_dir ? nullptr : &without_git;
    options.wanted = {ImagePath()};
    const Directory files = scratch.open_directory(ImagePath::clean("files"), FollowLinks::never);
    const Directory indexes = scratch.make_directory(ImagePath::clean("index"));
    return scan_context(files, options, indexes, access.workers);
}

Tree without_times(const Tree& tree) {
    return layerstore::apply(Tree(), layerstore::with_times(layerstore::as_delta(tree), layerstore::default_file_time));
}

GitFiles check_out(const parser::GitSource& source, const GitRevision& revision, bool keep_git_dir,
                   RemoteAccess& access) {
    auto folder = std::make_shared<TemporaryDirectory>(TemporaryDirectory::create_in(access.store.pending()));
    GitFiles files;
    files.commit = revision.commit;
    files.time = check_out_git(remote_of(source, access), revision, source.submodules, folder->directory());
    ScannedContext scanned = scan_checkout(folder->directory(), keep_git_dir, access);
    files.tree = without_times(scanned.tree);
    files.contents = std::make_shared<CheckoutContents>(folder, scanned.contents);

    layerstore::ContentSources contents;
    contents.add(files.contents);
    std::unique_ptr<layerstore::BlobWriter> blob = access.store.blobs().begin();
    HashingWriter hashing(blob.get());
    layerstore::write_layer(layerstore::as_delta(files.tree), contents, hashing);
    const FetchedContent kept{hashing.finish(), hashing.count(), files.time, {}};
    access.lease.add(kept.blob);
    blob->commit_expecting(kept.blob, kept.size, text_of(source));
    layerstore::Records::Transaction transaction(access.store.records());
    access.memos.put_tree(key_of("git tree", source, revision, keep_git_dir), files.tree);
    access.memos.put_fetched(key_of("git files", source, revision, keep_git_dir), kept);
    return files;
}

std::optional<GitFiles> known_files(const parser::GitSource& source, const GitRevision& revision, bool keep_git_dir,
                                    RemoteAccess& access) {
    const auto kept = access.memos.find_fetched(key_of("git files", source, revision, keep_git_dir));
    if (!kept) return std::nullopt;
    access.lease.add(kept->blob);
    auto tree = access.memos.find_tree(key_of("git tree", source, revision, keep_git_dir));
    if (!tree || !access.store.blobs().has(kept->blob)) return std::nullopt;
    const std::string what = fmt::format("git {}", text_of(source));
    OpenTar open_tar = [&blobs = access.store.blobs(), blob = kept->blob, size = kept->size,
                        what](const auto& consume) { consume(*blobs.open(blob, size, what)); };
    return GitFiles{revision.commit, std::move(*tree),
                    std::make_shared<SpooledTar>(std::move(open_tar), access.store.pending(), what), kept->modified,
                    true};
}

// A link on the way is not followed: the directory is of the repository and no other place.
Tree directory_of(const GitFiles& files, const parser::GitSource& source) {
    if (source.directory.empty()) return files.tree;
    const ImagePath path = ImagePath::clean(source.directory);
    if (files.tree.directory(path)) return layerstore::select(files.tree, path);
    const bool is_something = files.tree.find(path).has_value();
    throw Error(ErrorKind::not_found,
                fmt::format("git {}: {} is {} of commit {}", printable(source.remote), printable(source.directory),
                            is_something ? "no directory" : "not a path", short_commit(files.commit)));
}

}  // namespace

std::string short_commit(const std::string& commit) {
    constexpr std::size_t shown_digits = 12;
    return commit.substr(0, shown_digits);
}

GitRevision find_revision(const parser::GitSource& source, RemoteAccess& access) {
    GitRevision revision;
    if (source.fetch_by_commit)
        revision.commit = source.checksum;
    else if (parser::is_commit(source.reference))
        revision.commit = to_lower(source.reference);
    else
        revision = ask_for_revision(source, access);
    if (!revision.commit.starts_with(source.checksum))
        throw Error(ErrorKind::unavailable,
                    fmt::format("git {}: checksum mismatch: it is commit {}, expected {}", printable(text_of(source)),
                                revision.commit, source.checksum),
                    "the branch or tag moved, or the checksum is wrong");
    return revision;
}

GitFiles fetch_git_files(const parser::GitSource& source, bool keep_git_dir, RemoteAccess& access) {
    const GitRevision revision = find_revision(source, access);
    std::optional<GitFiles> files;
    if (access.offline || !access.ignore_cache) files = known_files(source, revision, keep_git_dir, access);
    if (!files && access.offline) refuse_offline(source);
    if (!files) files = check_out(source, revision, keep_git_dir, access);
    files->tree = directory_of(*files, source);
    return std::move(*files);
}

}  // namespace imgbuild::builder
