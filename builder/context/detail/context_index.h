// SPDX-License-Identifier: Apache-2.0
#pragma once

// The index file of a context: what each path was when the store last looked (docs/formats/context-index.md).
// Read from front to back, in path order, and written whole; never changed in place.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/directory.h"
#include "base/wire.h"
#include "builder/context/detail/found.h"

namespace imgbuild::builder {

/// The name of a context's index: from the real path of the directory, so that a checkout made anew at the same
/// place keeps its times; from device and inode where the system does not say the path.
struct IndexName {
    std::string root;  ///< what the index is of
    std::string file;  ///< its name in contexts/
};
IndexName index_name(const Directory& root);

class ContextIndex {
  public:
    /// An empty index.
    ContextIndex() = default;
    /// Reads and checks the file; what is missing, damaged, of another version or of another root is empty.
    static ContextIndex load(const Directory& indexes, const IndexName& name);

    std::uint32_t count() const noexcept { return count_; }

    /// Goes over the records in path order. Lives no longer than the index. A record that cannot be read ends it:
    /// that and what follows is then unknown.
    class Cursor {
      public:
        explicit Cursor(const ContextIndex& index) : in_(index.entries(), "context index"), left_(index.count_) {
            next();
        }
        bool at_end() const noexcept { return at_end_; }
        const std::string& path() const noexcept { return path_; }
        const IndexRecord& record() const noexcept { return record_; }
        std::uint32_t number() const noexcept { return number_; }  ///< of the record, from 0
        void next();

      private:
        void read();
        WireReader in_;
        std::uint32_t left_;
        std::uint32_t number_ = nothing;  // the first next() makes it 0
        std::string path_;
        IndexRecord record_;
        bool at_end_ = false;
    };

  private:
    std::string_view entries() const noexcept { return std::string_view(bytes_).substr(entries_at_); }
    std::string bytes_;
    std::size_t entries_at_ = 0;
    std::uint32_t count_ = 0;
};

class IndexWriter {
  public:
    /// Paths in increasing order.
    void add(std::string_view path, const IndexRecord& record);
    /// Puts the file in place, for good. Throws Error.
    void commit(const Directory& indexes, const IndexName& name);

  private:
    WireWriter entries_;
    std::string last_path_;
    std::uint64_t count_ = 0;
};

}  // namespace imgbuild::builder
