// SPDX-License-Identifier: Apache-2.0
#pragma once

// A file system as a value: an immutable Merkle tree of entries, and the sets of paths that are one file.
//
// Every directory has two identities: its TreeId covers everything, its ContentId all but times. Nodes are
// loaded when first looked into, so that a tree which a record names costs nothing until a path is asked for.
//
// Hard links stand in a table beside the nodes and not in them: a set may span directories, and a subtree's
// identity must not depend on what lies outside it. TreeId and ContentId of a Tree cover node and table.
//
// Immutable; copies are cheap and share nodes; any number of threads may read one.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/image_path.h"
#include "layerstore/tree/entry.h"
#include "layerstore/tree/tree_delta.h"

namespace imgbuild::layerstore {

class Subtree;

/// One name in a directory. Children are sorted by name, bytewise; each name once.
struct Child {
    std::string name;
    Entry entry;
    std::shared_ptr<const Subtree> below;  ///< directories only, else null; never null for a directory
};

/// Where nodes that are not in memory come from; the store implements it. Thread-safe.
class NodeSource {
  public:
    virtual ~NodeSource() = default;
    /// The encoded node. Throws Error{corrupt} when it is not there: whoever names a node relies on it. Need not look at what it gives: the tree
    /// checks it against `id`.
    virtual std::string load_node(const TreeId& id) const = 0;
    /// The encoded link table.
    virtual std::string load_links(const Digest& id) const = 0;
};

/// The content of one directory.
class Subtree {
  public:
    /// Computes both identities. `children` in any order; a name twice is Error{internal}.
    static std::shared_ptr<const Subtree> make(std::vector<Child> children);
    /// A directory known by its identities, loaded from `source` (borrowed, must outlive it) when asked.
    static std::shared_ptr<const Subtree> lazy(TreeId id, ContentId content, const NodeSource& source);
    static std::shared_ptr<const Subtree> empty();

    const TreeId& id() const noexcept { return id_; }
    const ContentId& content_id() const noexcept { return content_; }
    /// Loads the node when it is not in memory: may throw what NodeSource throws, and Error{corrupt} unless the
    /// node has the identities that it is known by.
    const std::vector<Child>& children() const;
    const Child* find(std::string_view name) const;
    /// False while the node is only a name: such a node is in the store already.
    bool is_loaded_from_memory() const noexcept { return source_ == nullptr; }

    /// docs/formats/tree.md, "node".
    std::string encode() const;

    Subtree() = default;  ///< for make_shared only

  private:
    void load() const;

    TreeId id_;
    ContentId content_;
    const NodeSource* source_ = nullptr;
    mutable std::once_flag loaded_;
    mutable std::vector<Child> children_;
};

/// What names a stored tree completely.
struct TreeRef {
    Entry root;  ///< the root directory's own entry
    TreeId node;
    ContentId content_node;
    Digest links;  ///< of the encoded link table; zero when it is empty
};

class Tree {
  public:
    /// An empty root directory, 0755, owned by root, at default_file_time.
    Tree();
    Tree(Entry root, std::shared_ptr<const Subtree> below, std::vector<LinkGroup> links);
    /// A stored tree; nodes are loaded when asked for.
    static Tree from_ref(const TreeRef& ref, const NodeSource& source);

    TreeId id() const;
    ContentId content_id() const;
    TreeRef ref() const;

    const Entry& root_entry() const noexcept { return root_; }
    const std::shared_ptr<const Subtree>& below() const noexcept { return below_; }
    /// This tree's links on other nodes, which must hold every linked path as it stands here.
    Tree with_nodes(Entry root, std::shared_ptr<const Subtree> below) const;

    /// Sorted by first path. Loaded when asked for; Error{corrupt} for a table of another digest.
    const std::vector<LinkGroup>& links() const;
    /// docs/formats/tree.md, "links": what ref().links is the digest of.
    std::string encoded_links() const;
    /// The set that `path` belongs to; null when it is a file of its own. The first call costs a pass over the
    /// table, later ones do not depend on its size.
    const LinkGroup* links_of(const ImagePath& path) const;

    /// The entry at `path`, links not followed; empty when nothing stands there.
    std::optional<Entry> find(const ImagePath& path) const;
    /// The directory's content at `path`; null when that is not a directory.
    std::shared_ptr<const Subtree> directory(const ImagePath& path) const;
    /// `path` with every symlink followed inside the tree, the last one too when `follow_last`; components
    /// that do not exist stay as they are. Error{usage} after 255 links ("too many levels"): such a path cannot be used.
    ImagePath resolve(const ImagePath& path, bool follow_last = true) const;

    /// Calls `visit` for every path but the root, in path order; false skips what lies below it.
    void walk(const std::function<bool(const ImagePath&, const Child&)>& visit) const;
    std::size_t count_entries() const;

    friend bool operator==(const Tree& a, const Tree& b) { return a.id() == b.id(); }

  private:
    struct LinkTable;
    Entry root_;
    std::shared_ptr<const Subtree> below_;
    std::shared_ptr<const LinkTable> links_;
};

}  // namespace imgbuild::layerstore
