// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/image/reference.h"
#include "layerstore/store/detail/format.h"
#include "layerstore/store/detail/index_text.h"
#include "layerstore/store/store.h"

// The names of images: what the store's index.json says.

namespace imgbuild::layerstore {
namespace {

constexpr std::size_t min_prefix_digits = 6;

std::string name_of_entry(const Descriptor& descriptor) {
    auto found = descriptor.annotations.find(std::string(annotation_image_name));
    return found == descriptor.annotations.end() ? std::string() : found->second;
}

NamedImage to_image(const Descriptor& descriptor) { return {name_of_entry(descriptor), descriptor}; }

std::optional<Reference> try_parse(std::string_view name) {
    try {
        return Reference::parse(name);
    } catch (const Error&) {
        return std::nullopt;
    }
}

// The digits of "@sha256:…", "sha256:…" or a bare prefix; empty when the selector is none of them.
std::string_view digits_of(std::string_view selector) {
    if (selector.starts_with("@")) selector.remove_prefix(1);
    if (selector.starts_with("sha256:")) selector.remove_prefix(7);
    const bool is_hex = std::all_of(selector.begin(), selector.end(),
                                    [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    return is_hex && selector.size() >= min_prefix_digits && selector.size() <= 64 ? selector : std::string_view();
}

const Descriptor* find_by_name(const Index& index, std::string_view name) {
    const auto reference = try_parse(name);
    if (!reference) return nullptr;
    for (const Descriptor& entry : index.manifests) {
        const std::string full = name_of_entry(entry);
        if (!reference->digest && full == reference->full()) return &entry;
        const bool is_pinned = reference->digest == entry.digest && full.starts_with(reference->name() + ":");
        if (is_pinned) return &entry;
    }
    return nullptr;
}

const Descriptor* find_by_digest(const Index& index, std::string_view selector) {
    const std::string_view digits = digits_of(selector);
    if (digits.empty()) return nullptr;
    const Descriptor* found = nullptr;
    for (const Descriptor& entry : index.manifests) {
        if (!entry.digest.hex().starts_with(digits)) continue;
        if (found && found->digest != entry.digest)
            throw Error(ErrorKind::usage, fmt::format("image \"{}\": several images begin like this", selector),
                        "write more digits");
        if (!found) found = &entry;
    }
    return found;
}

void require_blob(const BlobStore& blobs, const Descriptor& blob) {
    if (blobs.size(blob.digest) != blob.size)
        throw Error(ErrorKind::not_found,
                    fmt::format("name the image: blob {} of {} bytes: missing", blob.digest.text(), blob.size));
}

// All that an image needs must be there before its name is.
void require_blobs(const BlobStore& blobs, const Descriptor& root) {
    for_each_blob(blobs, root, fmt::format("name the image: {}", root.digest.text()),
                  [&](const Descriptor& blob) { require_blob(blobs, blob); });
}

// An image without a name is in the index once, and not at all where a name holds it.
void add_unnamed(Index& index, Descriptor manifest) {
    manifest.annotations.erase(std::string(annotation_image_name));
    manifest.annotations.erase(std::string(annotation_ref_name));
    const bool is_there = std::any_of(index.manifests.begin(), index.manifests.end(),
                                      [&](const Descriptor& entry) { return entry.digest == manifest.digest; });
    if (!is_there) index.manifests.push_back(std::move(manifest));
}

// Cheaper than to write both down: with thousands of names that takes longer than all else.
bool is_same_index(const Index& a, const Index& b) {
    return a.media_type == b.media_type && a.manifests == b.manifests && a.annotations == b.annotations &&
           a.other_members == b.other_members;
}

constexpr const char* index_file_name = "index.json";

std::string name_of_index(const Directory& root) { return root.name() + "/" + index_file_name; }

// What is invalid in somebody's layout is damage in ours.
template <class Read>
auto as_damage(const Read& read) {
    try {
        return read();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid_input && error.kind() != ErrorKind::not_found) throw;
        throw Error(ErrorKind::corrupt, error.message(),
                    "`imgbuild fsck --repair` brings back the one before its last change");
    }
}

std::string as_json_string(std::string_view text) { return fmt::format("\"{}\"", text); }

// What stands in every entry that naming `manifest` may replace (set_name()) or is spared by (add_unnamed()). Names hold
// nothing that JSON escapes.
std::vector<std::string> words_of_names(const std::vector<std::string>& names, const Descriptor& manifest) {
    std::vector<std::string> words{as_json_string(manifest.digest.text())};
    for (const std::string& name : names) {
        const Reference reference = Reference::parse(name);
        words.push_back(as_json_string(reference.full()));
        words.push_back(as_json_string(reference.familiar()));
    }
    return words;
}

// The same of what find_by_name() and find_by_digest() may find.
std::vector<std::string> words_of_selector(std::string_view selector) {
    std::vector<std::string> words;
    if (const auto reference = try_parse(selector))
        words.push_back(reference->digest ? reference->digest->hex() : as_json_string(reference->full()));
    if (const std::string_view digits = digits_of(selector); !digits.empty()) words.push_back(std::string(digits));
    return words;
}

template <class Read>
auto with_repair_hint(const Read& read) {
    try {
        return read();
    } catch (Error& error) {
        if (error.kind() == ErrorKind::corrupt)
            error.set_hint("`imgbuild fsck --repair` takes it out; then build or pull the image again");
        throw;
    }
}

}  // namespace

std::string Store::read_index_text() const {
    return as_damage([&] { return read_layout_index_text(root_); });
}

Index Store::parse_index(std::string_view text) const {
    return as_damage([&] { return Index::parse(text, name_of_index(root_)); });
}

Index Store::read_entries(const std::vector<std::string>& words) const {
    std::string text = read_index_text();
    if (!detail::is_own_index(root_, text)) return parse_index(text);
    return as_damage([&] { return detail::IndexText(std::move(text), words).selected(name_of_index(root_)); });
}

std::vector<NamedImage> Store::images() {
    std::vector<NamedImage> list;
    for (const Descriptor& entry : read_index().manifests) list.push_back(to_image(entry));
    return list;
}

std::optional<NamedImage> Store::find_image(std::string_view name) {
    const Index index = read_entries(words_of_selector(name));
    const Descriptor* found = find_by_name(index, name);
    if (!found) found = find_by_digest(index, name);
    return found ? std::optional(to_image(*found)) : std::nullopt;
}

void Store::change_index(const std::vector<std::string>& words, const std::function<void(Index&)>& change) {
    require_writable("change index.json");
    const FileLock lock = FileLock::acquire(root_, index_lock_name, LockMode::exclusive);
    std::string text = read_index_text();
    std::optional<detail::IndexText> own;
    if (detail::is_own_index(root_, text)) own.emplace(text, words);
    const Index before = own ? as_damage([&] { return own->selected(name_of_index(root_)); }) : parse_index(text);
    Index after = before;
    change(after);
    if (!is_same_index(after, before)) write_index(text, own ? own->with(before, after) : after.encode());
}

void Store::write_index(const std::string& before, const std::string& after) {
    if (after.size() > max_manifest_bytes)
        throw Error(
            ErrorKind::no_space,
            fmt::format("change index.json: with more names it is larger than {}", human_size(max_manifest_bytes)),
            "take names away with `imgbuild rm`");
    write_file_atomically(root_, detail::previous_index_name, before, Durability::none);
    write_file_atomically(root_, index_file_name, after,
                          durability_ == StoreDurability::none ? Durability::none : Durability::full);
    detail::note_own_index(root_, after);
}

void Store::tag(const std::vector<std::string>& names, const Descriptor& manifest) {
    require_writable("name the image");
    for (const std::string& name : names)
        if (Reference::parse(name).digest)
            throw Error(ErrorKind::usage,
                        fmt::format("name the image: \"{}\": a name holds no digest", printable(name)));
    require_blobs(*blobs_, manifest);
    auto change = [&](Index& index) {
        for (const std::string& name : names) set_name(index, manifest, name, RefName::familiar);
        if (names.empty()) add_unnamed(index, manifest);
    };
    const std::vector<std::string> words = words_of_names(names, manifest);
    // A build that was cached names its image as it is named already: that costs no sync.
    const Index before = read_entries(words);
    Index index = before;
    change(index);
    if (is_same_index(index, before)) return;
    // What a name stands for must outlive a power loss that the name outlives.
    sync();
    change_index(words, change);
}

bool Store::untag(std::string_view name) {
    bool is_removed = false;
    change_index(words_of_selector(name), [&](Index& index) {
        std::function<bool(const Descriptor&)> is_meant = [](const Descriptor&) { return false; };
        if (const Descriptor* named = find_by_name(index, name))
            is_meant = [full = name_of_entry(*named)](const Descriptor& entry) { return name_of_entry(entry) == full; };
        else if (const Descriptor* found = find_by_digest(index, name))
            is_meant = [digest = found->digest](const Descriptor& entry) { return entry.digest == digest; };
        is_removed = std::erase_if(index.manifests, is_meant) > 0;
    });
    return is_removed;
}

Image Store::read_image(const Descriptor& descriptor, const Platform& platform, const std::string& what) {
    return with_repair_hint([&] { return layerstore::read_image(*blobs_, descriptor, platform, what); });
}

std::vector<Image> Store::read_images(const Descriptor& descriptor, const Platform& platform, const std::string& what) {
    return with_repair_hint([&] { return layerstore::read_images(*blobs_, descriptor, platform, what); });
}

}  // namespace imgbuild::layerstore
