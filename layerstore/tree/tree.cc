// SPDX-License-Identifier: Apache-2.0
#include "layerstore/tree/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"

namespace imgbuild::layerstore {
namespace {

constexpr std::uint8_t tree_version = 1;
constexpr std::size_t single_bucket = 1024;    // children; above it a directory is hashed in buckets
constexpr std::uint8_t bucket_mask = 0xff;     // a bucket begins where the name's hash ends in eight zero bits
constexpr std::size_t least_child_bytes = 9;   // a name of one byte and a fifo
constexpr std::size_t least_member_bytes = 3;  // a length and "/a"
constexpr std::size_t least_tree_group_bytes = 1 + 2 * least_member_bytes;
constexpr int max_links = 255;

bool begins_bucket(std::string_view name) { return (Sha256::of(name).bytes().back() & bucket_mask) == 0; }

void encode_child(WireWriter& out, const Child& child) {
    out.text(child.name);
    encode_entry(out, child.entry, true);
    if (child.below) out.digest(child.below->id().value).digest(child.below->content_id().value);
}

struct Identities {
    TreeId tree;
    ContentId content;
    friend bool operator==(const Identities&, const Identities&) = default;
};

// Digests of digests of buckets (docs/formats/tree.md, "Identities").
class BucketHasher {
  public:
    explicit BucketHasher(std::string_view domain) { node_.update(domain); }
    void begin_bucket() noexcept {
        node_.update(bucket_.finish().raw());
        bucket_ = Sha256();
    }
    void add(std::string_view bytes) noexcept { bucket_.update(bytes); }
    Digest finish() noexcept { return begin_bucket(), node_.finish(); }

  private:
    Sha256 node_;
    Sha256 bucket_;
};

Identities identities_of(const std::vector<Child>& children) {
    BucketHasher tree("imgbuild tree node 1\n");
    BucketHasher content("imgbuild content node 1\n");
    bool in_buckets = children.size() > single_bucket;
    for (const Child& child : children) {
        if (in_buckets && &child != &children.front() && begins_bucket(child.name)) {
            tree.begin_bucket();
            content.begin_bucket();
        }
        WireWriter out;
        out.text(child.name);
        encode_entry(out, child.entry, false);
        content.add(out.bytes());
        encode_time(out, child.entry.mtime);
        if (child.below) {
            out.digest(child.below->id().value).digest(child.below->content_id().value);
            content.add(child.below->content_id().value.raw());
        }
        tree.add(out.bytes());
    }
    return {TreeId{tree.finish()}, ContentId{content.finish()}};
}

[[noreturn]] void refuse_node(std::string_view reason) {
    throw Error(ErrorKind::corrupt, fmt::format("tree node: {}", reason));
}

std::vector<Child> decode_node(std::string_view bytes, const NodeSource& source) {
    WireReader in(bytes, "tree node");
    if (in.byte() != tree_version) refuse_node("an encoding of another version");
    std::vector<Child> children;
    std::size_t count = in.count(least_child_bytes);
    children.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        Child child;
        child.name = in.text();
        if (!is_path_component(child.name)) refuse_node("a name that does not exist");
        if (i > 0 && children.back().name >= child.name) refuse_node("names are not in order");
        child.entry = decode_entry(in);
        if (child.entry.is_directory()) {
            TreeId id{in.digest()};
            ContentId content{in.digest()};
            child.below = Subtree::lazy(id, content, source);
        }
        children.push_back(std::move(child));
    }
    in.expect_end();
    return children;
}

std::string encode_links(const std::vector<LinkGroup>& links) {
    WireWriter out;
    out.byte(tree_version).varint(links.size());
    for (const LinkGroup& group : links) {
        out.varint(group.size());
        for (const ImagePath& path : group) out.text(path.bytes());
    }
    return out.take();
}

std::vector<LinkGroup> decode_links(std::string_view bytes) {
    auto fail = [](std::string_view reason) { throw Error(ErrorKind::corrupt, fmt::format("link table: {}", reason)); };
    WireReader in(bytes, "link table");
    if (in.byte() != tree_version) fail("an encoding of another version");
    std::vector<LinkGroup> links(in.count(least_tree_group_bytes));
    for (LinkGroup& group : links) {
        std::size_t members = in.count(least_member_bytes);
        if (members < 2) fail("a set of one path");
        for (std::size_t i = 0; i < members; ++i) {
            std::string_view text = in.text();
            auto path = ImagePath::parse_strict(text);
            if (!path || path->bytes() != text) fail("a path is not canonical");
            if (!group.empty() && !(group.back() < *path)) fail("paths are not in order");
            group.push_back(*std::move(path));
        }
        if (&group != &links.front() && !((&group)[-1].front() < group.front())) fail("sets are not in order");
    }
    in.expect_end();
    return links;
}

}  // namespace

std::shared_ptr<const Subtree> Subtree::make(std::vector<Child> children) {
    if (!std::ranges::is_sorted(children, {}, &Child::name)) std::ranges::sort(children, {}, &Child::name);
    if (std::ranges::adjacent_find(children, {}, &Child::name) != children.end())
        throw Error(ErrorKind::internal, "tree: a name stands twice in one directory");
    auto node = std::make_shared<Subtree>();
    Identities identities = identities_of(children);
    node->id_ = identities.tree;
    node->content_ = identities.content;
    node->children_ = std::move(children);
    return node;
}

std::shared_ptr<const Subtree> Subtree::lazy(TreeId id, ContentId content, const NodeSource& source) {
    auto node = std::make_shared<Subtree>();
    node->id_ = id;
    node->content_ = content;
    node->source_ = &source;
    return node;
}

std::shared_ptr<const Subtree> Subtree::empty() {
    static const std::shared_ptr<const Subtree> node = make({});
    return node;
}

const std::vector<Child>& Subtree::children() const {
    if (source_) std::call_once(loaded_, [this] { load(); });
    return children_;
}

void Subtree::load() const {
    std::vector<Child> children = decode_node(source_->load_node(id_), *source_);
    // Both: what a node says may enter keys, and a reference says its ContentId without a node to vouch for it.
    if (identities_of(children) != Identities{id_, content_})
        throw Error(ErrorKind::corrupt, fmt::format("tree node {}: its content is another", id_.value.text()));
    children_ = std::move(children);
}

const Child* Subtree::find(std::string_view name) const {
    const std::vector<Child>& all = children();
    auto found =
        std::ranges::lower_bound(all, name, {}, [](const Child& child) { return std::string_view(child.name); });
    return found != all.end() && found->name == name ? &*found : nullptr;
}

std::string Subtree::encode() const {
    WireWriter out;
    out.byte(tree_version).varint(children().size());
    for (const Child& child : children()) encode_child(out, child);
    return out.take();
}

struct Tree::LinkTable {
    Digest id;  ///< zero for an empty table
    const NodeSource* source = nullptr;
    mutable std::once_flag loaded;
    mutable std::vector<LinkGroup> groups;
    mutable std::once_flag indexed;
    mutable std::unordered_map<std::string_view, const LinkGroup*> by_path;  ///< keys lie in `groups`

    void load() const {
        std::string bytes = source->load_links(id);
        if (Sha256::of(bytes) != id)
            throw Error(ErrorKind::corrupt, fmt::format("link table {}: its content is another", id.text()));
        groups = decode_links(bytes);
    }
    void index() const {
        for (const LinkGroup& group : groups)
            for (const ImagePath& path : group) by_path.emplace(path.bytes(), &group);
    }
};

Tree::Tree() : Tree(implied_directory(), Subtree::empty(), {}) {}

Tree::Tree(Entry root, std::shared_ptr<const Subtree> below, std::vector<LinkGroup> links)
    : root_(std::move(root)), below_(std::move(below)) {
    auto table = std::make_shared<LinkTable>();
    std::ranges::sort(links, {}, [](const LinkGroup& group) -> const ImagePath& { return group.front(); });
    if (!links.empty()) table->id = Sha256::of(encode_links(links));
    table->groups = std::move(links);
    links_ = std::move(table);
}

Tree Tree::from_ref(const TreeRef& ref, const NodeSource& source) {
    Tree tree(ref.root, Subtree::lazy(ref.node, ref.content_node, source), {});
    auto table = std::make_shared<LinkTable>();
    table->id = ref.links;
    if (!ref.links.is_zero()) table->source = &source;
    tree.links_ = std::move(table);
    return tree;
}

Tree Tree::with_nodes(Entry root, std::shared_ptr<const Subtree> below) const {
    Tree tree = *this;
    tree.root_ = std::move(root);
    tree.below_ = std::move(below);
    return tree;
}

TreeRef Tree::ref() const { return {root_, below_->id(), below_->content_id(), links_->id}; }

TreeId Tree::id() const {
    WireWriter root;
    encode_entry(root, root_, true);
    return TreeId{
        KeyHasher("tree").add("root", root.bytes()).add("node", below_->id().value).add("links", links_->id).finish()};
}

ContentId Tree::content_id() const {
    WireWriter root;
    encode_entry(root, root_, false);
    return ContentId{KeyHasher("content")
                         .add("root", root.bytes())
                         .add("node", below_->content_id().value)
                         .add("links", links_->id)
                         .finish()};
}

const std::vector<LinkGroup>& Tree::links() const {
    if (links_->source) std::call_once(links_->loaded, [this] { links_->load(); });
    return links_->groups;
}

std::string Tree::encoded_links() const { return encode_links(links()); }

const LinkGroup* Tree::links_of(const ImagePath& path) const {
    if (links().empty()) return nullptr;
    std::call_once(links_->indexed, [this] { links_->index(); });
    auto found = links_->by_path.find(path.bytes());
    return found == links_->by_path.end() ? nullptr : found->second;
}

std::optional<Entry> Tree::find(const ImagePath& path) const {
    if (path.is_root()) return root_;
    auto parent = directory(path.parent());
    const Child* child = parent ? parent->find(path.name()) : nullptr;
    return child ? std::optional(child->entry) : std::nullopt;
}

std::shared_ptr<const Subtree> Tree::directory(const ImagePath& path) const {
    std::shared_ptr<const Subtree> here = below_;
    for (std::string_view name : path.components()) {
        const Child* child = here->find(name);
        if (!child || !child->below) return nullptr;
        here = child->below;
    }
    return here;
}

ImagePath Tree::resolve(const ImagePath& path, bool follow_last) const {
    std::deque<std::string> left;
    for (std::string_view part : path.components()) left.emplace_back(part);
    ImagePath here;
    int links = 0;
    while (!left.empty()) {
        std::string name = std::move(left.front());
        left.pop_front();
        if (name == "." || name.empty()) continue;
        if (name == "..") {
            here = here.parent();
            continue;
        }
        ImagePath next = here.child(name);
        std::optional<Entry> entry = find(next);
        if (!entry || entry->kind != EntryKind::symlink || (left.empty() && !follow_last)) {
            here = std::move(next);
            continue;
        }
        if (++links > max_links)
            throw Error(ErrorKind::usage,
                        fmt::format("path: {}: too many levels of symbolic links", printable(path.absolute())));
        if (entry->link_target.starts_with('/')) here = ImagePath();
        std::vector<std::string_view> parts = split(entry->link_target, '/');
        left.insert(left.begin(), parts.begin(), parts.end());
    }
    return here;
}

void Tree::walk(const std::function<bool(const ImagePath&, const Child&)>& visit) const {
    std::function<void(const ImagePath&, const Subtree&)> below = [&](const ImagePath& at, const Subtree& node) {
        for (const Child& child : node.children()) {
            ImagePath path = at.child(child.name);
            if (visit(path, child) && child.below) below(path, *child.below);
        }
    };
    below(ImagePath(), *below_);
}

std::size_t Tree::count_entries() const {
    std::size_t count = 0;
    walk([&](const ImagePath&, const Child&) { return ++count, true; });
    return count;
}

}  // namespace imgbuild::layerstore
