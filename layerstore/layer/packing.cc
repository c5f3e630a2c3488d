// SPDX-License-Identifier: Apache-2.0
#include "layerstore/layer/packing.h"

#include <fmt/format.h>

#include <deque>
#include <future>

#include "base/error.h"
#include "base/text.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/layer/tar_writer.h"

namespace imgbuild::layerstore {
namespace {

// A chunk ends before an entry whose path hashes to a multiple of 16 once it holds 1 MiB, so that an inserted
// file moves no later boundary, and before any entry that would bring it above 4 MiB. Numbers of format version 1.
constexpr std::uint64_t small_chunk = 1 << 20;
constexpr std::uint64_t large_chunk = 4 << 20;
constexpr std::uint8_t boundary_mask = 0x0f;

struct Chunk {
    std::string tar;
    std::string packed;
};

class Packer {
  public:
    Packer(const TreeDelta& delta, ContentSources& contents, const PackOptions& options, TaskPool& pool,
           ByteWriter& out)
        : delta_(delta),
          contents_(contents),
          options_(options),
          pool_(pool),
          out_(out),
          targets_(link_targets(delta)) {}

    // Jobs refer to this object: none may outlive it, also when something throws.
    ~Packer() {
        for (auto& job : running_)
            if (job.valid()) job.wait();
    }

    PackedLayer pack() {
        std::size_t begin = 0;
        std::uint64_t held = 0;
        Headers headers;  // of the entries from begin on
        std::span<const Change> changes = delta_.changes();
        for (std::size_t i = 0; i < changes.size(); ++i) {
            std::string header = layer_header(delta_, targets_, changes[i]);
            std::uint64_t size = header.size() + data_bytes(changes[i]);
            bool at_boundary = held >= small_chunk && ends_here(changes[i].path);
            if (i > begin && (at_boundary || held + size > large_chunk)) {
                submit_entries(begin, std::exchange(headers, {}));
                begin = i;
                held = 0;
            }
            if (size > large_chunk) {
                stream_large(changes[i], std::move(header));
                begin = i + 1;
                continue;
            }
            headers.push_back(std::move(header));
            held += size;
        }
        if (!headers.empty()) submit_entries(begin, std::move(headers));
        submit(std::string(tar_end()));
        while (!running_.empty()) finish_one();
        PackedLayer packed;
        packed.diff_id = DiffId{tar_hash_.finish()};
        packed.tar_size = tar_size_;
        packed.blob = blob_.finish();
        packed.blob_size = blob_.count();
        return packed;
    }

  private:
    using Headers = std::vector<std::string>;  // one for each entry of a chunk

    static bool ends_here(const ImagePath& path) {
        return (Sha256::of(path.bytes()).bytes().back() & boundary_mask) == 0;
    }

    std::uint64_t data_bytes(const Change& change) const {
        return has_data(targets_, delta_, change) ? change.entry.size + tar_padding(change.entry.size) : 0;
    }

    Chunk compress(std::string tar) const {
        std::string packed = compress_chunk(tar, options_.compression, options_.level);
        return {std::move(tar), std::move(packed)};
    }

    void submit(std::string tar) {
        make_room();
        running_.push_back(pool_.submit([this, tar = std::move(tar)]() mutable { return compress(std::move(tar)); }));
    }

    void submit_entries(std::size_t begin, Headers headers) {
        make_room();
        running_.push_back(pool_.submit(
            [this, begin, headers = std::move(headers)] { return compress(read_entries(begin, headers)); }));
    }

    std::string read_entries(std::size_t begin, const Headers& headers) const {
        MemoryWriter tar;
        for (std::size_t i = 0; i < headers.size(); ++i) {
            const Change& change = delta_.changes()[begin + i];
            tar.write(as_bytes(headers[i]));
            if (!has_data(targets_, delta_, change)) continue;
            auto reader = contents_.require(change.entry.content, change.entry.size, change.path.bytes());
            check_size(change, copy_all(*reader, tar));
            tar.write(as_bytes(std::string(tar_padding(change.entry.size), '\0')));
        }
        return tar.take();
    }

    // A file larger than a chunk is read here, in order, and cut at multiples of the chunk's size.
    void stream_large(const Change& change, std::string tar) {
        auto reader = contents_.require(change.entry.content, change.entry.size, change.path.bytes());
        std::vector<std::byte> buffer(stream_block);
        std::uint64_t total = 0;
        std::uint64_t in_piece = 0;
        for (;;) {
            std::size_t room = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), large_chunk - in_piece));
            std::size_t count = reader->read(std::span(buffer).first(room));
            if (count == 0) break;
            tar.append(as_text(std::span(buffer).first(count)));
            total += count;
            in_piece += count;
            if (in_piece < large_chunk) continue;
            submit(std::exchange(tar, {}));
            in_piece = 0;
        }
        check_size(change, total);
        tar.append(tar_padding(total), '\0');
        if (!tar.empty()) submit(std::move(tar));
    }

    static void check_size(const Change& change, std::uint64_t found) {
        if (found != change.entry.size)
            throw Error(ErrorKind::invalid_input,
                        fmt::format("pack: {}: {} bytes instead of {}", printable(change.path.bytes()), found,
                                    change.entry.size));
    }

    void make_room() {
        std::size_t in_flight = 2 * pool_.threads() + 2;
        while (running_.size() >= in_flight) finish_one();
    }

    void finish_one() {
        std::future<Chunk> job = std::move(running_.front());
        running_.pop_front();
        Chunk chunk = job.get();
        tar_hash_.update(chunk.tar);
        tar_size_ += chunk.tar.size();
        blob_.write(as_bytes(chunk.packed));
    }

    const TreeDelta& delta_;
    ContentSources& contents_;
    PackOptions options_;
    TaskPool& pool_;
    ByteWriter& out_;
    LinkTargets targets_;
    std::deque<std::future<Chunk>> running_;
    Sha256 tar_hash_;
    std::uint64_t tar_size_ = 0;
    HashingWriter blob_{&out_};
};

}  // namespace

PackedLayer pack_layer(const TreeDelta& delta, ContentSources& contents, const PackOptions& options, TaskPool& pool,
                       ByteWriter& out) {
    return Packer(delta, contents, options, pool, out).pack();
}

}  // namespace imgbuild::layerstore
