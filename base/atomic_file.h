// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one way to write a file that matters: under a name that nobody reads, synced as asked, renamed into
// place, the folder synced. Nothing is visible before commit(); the destructor discards. rename(2) on files
// is called here only.

#include <string>
#include <string_view>

#include "base/directory.h"
#include "base/fd.h"
#include "base/stream.h"

namespace imgbuild {

enum class Durability {
    none,  ///< no sync: for what can be made again, or where one syncfs follows for many files
    full,  ///< fsync of the file before the rename and of the folder after it
};

class AtomicFile final : public ByteWriter {
  public:
    /// Begins a file that will be `name` in `target` (borrowed; must outlive this), written in `scratch`, a
    /// directory of the same file system. Throws Error.
    AtomicFile(const Directory& scratch, const Directory& target, std::string name, Durability durability,
               unsigned mode = 0644);
    /// The common case: the scratch name stands in the target's own folder.
    AtomicFile(const Directory& target, std::string name, Durability durability, unsigned mode = 0644);
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;
    ~AtomicFile() override;

    void write(std::span<const std::byte> bytes) override;
    void write(std::string_view text) { write(as_bytes(text)); }
    int fd() const noexcept { return fd_.get(); }

    /// Makes the file visible, replacing what stood there. Throws Error, and then nothing is visible.
    void commit();
    /// As commit(), under another name than the one given at the start (content-addressed names are known
    /// only at the end).
    void commit_as(std::string name);

  private:
    const Directory& scratch_;
    const Directory& target_;
    std::string scratch_name_;
    std::string name_;
    Durability durability_;
    Fd fd_;
    bool done_ = false;
};

/// Writes a whole file by AtomicFile.
void write_file_atomically(const Directory& target, const std::string& name, std::string_view content,
                           Durability durability, unsigned mode = 0644);

}  // namespace imgbuild
