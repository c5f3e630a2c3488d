// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/context_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "builder/fetch/unpack.h"
#include "builder/remote/fetched_file.h"
#include "builder/remote/first_seen.h"
#include "builder/remote/git_files.h"
#include "builder/remote/spooled_tar.h"
#include "builder/remote/unpacked_archive.h"
#include "layerstore/layer/tar_writer.h"
#include "layerstore/tree/algebra.h"

namespace imgbuild::builder {
namespace {

using layerstore::ContentSource;
using layerstore::Tree;

/// Gives the archive as a descriptor at its beginning, each time anew; empty where it is no archive by its first bytes.
using OpenArchive = std::function<std::optional<Fd>()>;

// What the archive says of owners is of the machine where it was packed.
Tree tree_of(const layerstore::TreeDelta& delta) {
    std::vector<layerstore::Change> changes(delta.changes().begin(), delta.changes().end());
    for (layerstore::Change& change : changes) {
        change.entry.uid = change.entry.gid = 0;
        if (change.path.is_root()) change.entry = layerstore::implied_directory();
    }
    std::vector<layerstore::LinkGroup> links(delta.links().begin(), delta.links().end());
    return layerstore::apply(Tree(), layerstore::TreeDelta::build(std::move(changes), std::move(links)));
}

/// Unpacks once somebody asks for a file: the tree is known.
class ArchiveContents final : public ContentSource {
  public:
    ArchiveContents(OpenArchive open_archive, const Directory& scratch, std::string name)
        : open_archive_(std::move(open_archive)), scratch_(scratch.duplicate()), name_(std::move(name)) {}

    std::unique_ptr<ByteReader> open(const Digest& content, std::uint64_t size) override {
        std::call_once(unpacked_, [this] {
            std::optional<Fd> archive = open_archive_();
            auto read = archive ? read_archive(std::move(*archive), scratch_, name_) : std::nullopt;
            if (read) contents_ = std::move(read->contents);
        });
        return contents_ ? contents_->open(content, size) : nullptr;
    }

  private:
    OpenArchive open_archive_;
    Directory scratch_;
    std::string name_;
    std::once_flag unpacked_;
    std::shared_ptr<ContentSource> contents_;
};

std::string size_of(const Tree& tree) {
    std::uint64_t files = 0, bytes = 0;
    tree.walk([&](const ImagePath&, const layerstore::Child& child) {
        if (child.entry.is_file()) ++files;
        bytes += child.entry.size;
        return true;
    });
    return fmt::format("{}, {}", counted(files, "file", "files"), human_size(bytes));
}

std::optional<std::int64_t> newest_file(const layerstore::TreeDelta& delta) {
    std::optional<std::int64_t> newest;
    for (const layerstore::Change& change : delta.changes())
        if (change.entry.is_file())
            newest = std::max(newest.value_or(change.entry.mtime.seconds), change.entry.mtime.seconds);
    return newest;
}

StepKey time_key(const Digest& archive) {
    StepKey key("archive time");
    key.add("archive", archive);
    return key;
}

// The tree that is kept has no times. A memo with no words: there is no file in it.
void put_time(const Digest& archive, std::optional<std::int64_t> time, Memos& memos) {
    std::vector<std::string> words;
    if (time) words.push_back(std::to_string(*time));
    memos.put_words(time_key(archive), words);
}

std::optional<std::int64_t> time_in(const std::vector<std::string>& words) {
    if (words.empty()) return std::nullopt;
    std::int64_t seconds = 0;
    const char* end = words[0].data() + words[0].size();
    const auto [rest, error] = std::from_chars(words[0].data(), end, seconds);
    return error == std::errc() && rest == end ? std::optional(seconds) : std::nullopt;
}

// Modes as git keeps them: what an archive holds of a checkout shows the umask of who made it.
Tree with_git_modes(const Tree& tree) {
    const layerstore::TreeDelta delta = layerstore::as_delta(tree);
    std::vector<layerstore::Change> changes(delta.changes().begin(), delta.changes().end());
    for (layerstore::Change& change : changes) {
        layerstore::Entry& entry = change.entry;
        if (entry.kind == layerstore::EntryKind::symlink) continue;
        entry.mode = entry.is_directory() || (entry.mode & 0100) != 0 ? 0755 : 0644;
    }
    return layerstore::apply(
        Tree(), layerstore::TreeDelta::build(std::move(changes), {delta.links().begin(), delta.links().end()}));
}

// Empty where it is no archive after all.
std::optional<ContextTree> load_archive(const Digest& digest, const OpenArchive& open_archive, const std::string& name,
                                        RemoteAccess& access) {
    StepKey key("context archive");
    key.add("archive", digest);
    key.add("times", "own");
    ContextTree context;
    auto known = access.ignore_cache ? std::nullopt : access.memos.find_tree(key);
    const auto known_time = known ? access.memos.find_words(time_key(digest)) : std::nullopt;
    if (known && known_time) {
        context.tree = std::move(*known);
        context.time = time_in(*known_time);
        context.contents = std::make_shared<ArchiveContents>(open_archive, access.store.pending(), name);
        context.cached = true;
    } else {
        std::optional<Fd> archive = open_archive();
        if (!archive) return std::nullopt;
        auto read = read_archive(std::move(*archive), access.store.pending(), "context " + name);
        if (!read) return std::nullopt;
        context.tree = tree_of(read->delta);
        context.contents = std::move(read->contents);
        context.time = newest_file(read->delta);
        layerstore::Records::Transaction transaction(access.store.records());
        access.memos.put_tree(key, context.tree);
        put_time(digest, context.time, access.memos);
    }
    context.own_times = context.tree;
    context.revision = digest.text();
    context.detail = size_of(context.tree);
    return context;
}

std::shared_ptr<const Fd> open_file(const ArchiveContext& archive) {
    if (archive.file) return archive.file;
    auto file = std::make_shared<const Fd>(::open(archive.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!*file) throw_errno("open context", archive.path);
    struct stat status {};
    if (::fstat(file->get(), &status) != 0) throw_errno("open context", archive.path);
    if (!S_ISREG(status.st_mode))
        throw Error(ErrorKind::usage,
                    fmt::format("context {}: neither a directory nor a file", printable(archive.path)));
    return file;
}

Digest digest_of(const Fd& file, const std::string& name) {
    rewind_file(file, name);
    FdReader reader(file.get(), name);
    HashingReader hashing(reader);
    drain(hashing);
    return hashing.finish();
}

ContextTree load(const ArchiveContext& archive, RemoteAccess& access) {
    const std::shared_ptr<const Fd> file = open_file(archive);
    const Digest digest = digest_of(*file, archive.path);
    const OpenArchive open_archive = [file, name = archive.path]() -> std::optional<Fd> {
        rewind_file(*file, name);
        return file->duplicate();
    };
    auto context = load_archive(digest, open_archive, archive.path, access);
    if (!context)
        throw Error(ErrorKind::usage, fmt::format("context {}: neither a directory nor a tar", printable(archive.path)),
                    "a Buildfile is named with -f");
    if (!archive.file && !context->cached && digest_of(*file, archive.path) != digest)
        throw Error(ErrorKind::invalid_input,
                    fmt::format("context {}: changed while it was read", printable(archive.path)));
    return std::move(*context);
}

ContextTree single_file(const std::string& url, const FetchedContent& content, RemoteAccess& access) {
    ContextTree context;
    std::string_view path = std::string_view(url).substr(url.find("://") + 3);
    path = path.substr(0, path.find_first_of("?#"));
    context.single_file = file_name_of_url_path(path.substr(std::min(path.find('/'), path.size())));
    layerstore::Entry file;
    file.size = content.size;
    file.content = content.blob;
    file.mtime = layerstore::default_file_time;
    context.tree = layerstore::apply(
        Tree(),
        layerstore::TreeDelta::build({{ImagePath().child(*context.single_file), layerstore::ChangeKind::put, file}}));
    context.contents = contents_of(content, url, access.store);
    context.revision = content.blob.text();
    context.detail = human_size(content.size);
    return context;
}

ContextTree load(const UrlContext& place, RemoteAccess& access) {
    const RemoteFile file = fetch_to_store(place.url, place.checksum, access);
    const FetchedContent content = file.content;
    const OpenArchive open_archive = [&store = access.store, content, url = place.url] {
        return copy_if_archive(*store.blobs().open(content.blob, content.size, url), store.pending(), url);
    };
    auto archive = load_archive(content.blob, open_archive, place.url, access);
    ContextTree context = archive ? std::move(*archive) : single_file(place.url, content, access);
    context.cached = file.cached;
    if (content.modified != 0) context.time = content.modified;
    return context;
}

ContextTree load(const GitContext& place, RemoteAccess& access) {
    GitFiles files = fetch_git_files(place.source, place.keep_git_dir, access);
    return {.tree = std::move(files.tree),
            .contents = std::move(files.contents),
            .own_times = std::nullopt,
            .single_file = std::nullopt,
            .time = files.time,
            .revision = files.commit,
            .detail = "commit " + short_commit(files.commit),
            .cached = files.cached};
}

}  // namespace

std::string name_of(const RemoteContext& context) {
    if (const auto* archive = std::get_if<ArchiveContext>(&context)) return archive->path;
    if (const auto* url = std::get_if<UrlContext>(&context)) return url->url;
    return parser::text_of(std::get<GitContext>(context).source);
}

ContextTree load_context(const RemoteContext& context, RemoteAccess& access, bool git_modes) {
    ContextTree loaded = std::visit([&](const auto& place) { return load(place, access); }, context);
    if (git_modes && loaded.own_times) loaded.tree = *(loaded.own_times = with_git_modes(*loaded.own_times));
    loaded.tree = remember_context(loaded.tree, name_of(context), access);
    return loaded;
}

Tree with_own_times(const ContextTree& context) {
    if (context.own_times) return *context.own_times;
    const layerstore::FileTime time =
        context.time ? layerstore::FileTime{*context.time, 0} : layerstore::default_file_time;
    return layerstore::apply(Tree(), layerstore::with_times(layerstore::as_delta(context.tree), time));
}

std::optional<std::int64_t> time_of(const RemoteContext& context, RemoteAccess& access) {
    if (const auto* url = std::get_if<UrlContext>(&context)) {
        const std::int64_t modified = fetch_to_store(url->url, url->checksum, access).content.modified;
        if (modified != 0) return modified;
    }
    return std::visit([&](const auto& place) { return load(place, access).time; }, context);
}

std::optional<std::string> read_text(const ContextTree& context, const ImagePath& path, std::uint64_t limit) {
    const std::optional<layerstore::Entry> entry = context.tree.find(context.tree.resolve(path));
    if (!entry || !entry->is_file()) return std::nullopt;
    if (entry->size == 0) return std::string();
    layerstore::ContentSources sources;
    sources.add(context.contents);
    return read_all(*sources.require(entry->content, entry->size, path.absolute()), limit, path.absolute());
}

}  // namespace imgbuild::builder
