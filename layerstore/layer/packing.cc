// SPDX-License-Identifier: Apache-2.0
#include "layerstore/layer/packing.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <future>
#include <optional>

#include "base/error.h"
#include "base/input_limits.h"
#include "base/text.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/layer/tar_writer.h"

namespace imgbuild::layerstore {
namespace {

struct Chunk {
    std::optional<Digest> key;  // of chunks that later layers may use again
    std::uint64_t sum = 0;
    std::string tar;
    std::string packed;
};

class Packer {
  public:
    Packer(const TreeDelta& delta, ContentSources& contents, const PackOptions& options, TaskPool& pool,
           ByteWriter& out, ChunkSource* earlier)
        : delta_(delta),
          contents_(contents),
          options_(options),
          rules_(chunk_rules(options.format)),
          compressor_(compressor_version(options.compression)),
          pool_(pool),
          earlier_(earlier),
          targets_(link_targets(delta)),
          out_(out) {}

    // Jobs refer to this object: none may outlive it, also when something throws.
    ~Packer() {
        for (auto& job : running_)
            if (job.valid()) job.wait();
    }

    PackedLayer pack() {
        check_limits();
        std::size_t begin = 0;
        std::uint64_t held = 0;
        Headers headers;  // of the entries from begin on
        std::span<const Change> changes = delta_.changes();
        for (std::size_t i = 0; i < changes.size(); ++i) {
            std::string header = layer_header(delta_, targets_, changes[i]);
            std::uint64_t size = header.size() + data_bytes(changes[i]);
            bool at_boundary = held >= rules_.small && ends_here(changes[i].path);
            if (i > begin && (at_boundary || held + size > rules_.large)) {
                submit_entries(begin, std::exchange(headers, {}));
                begin = i;
                held = 0;
            }
            if (size > rules_.large) {
                submit_large(changes[i], std::move(header));
                begin = i + 1;
                continue;
            }
            headers.push_back(std::move(header));
            held += size;
        }
        if (!headers.empty()) submit_entries(begin, std::move(headers));
        submit([this] { return compress(std::nullopt, std::string(tar_end())); });
        while (!running_.empty()) finish_one();
        packed_.diff_id = DiffId{tar_hash_.finish()};
        return std::move(packed_);
    }

  private:
    using Headers = std::vector<std::string>;  // one for each entry of a chunk

    // What nobody could read again is not written.
    void check_limits() const {
        std::uint64_t bytes = 0;
        for (const Change& change : delta_.changes()) {
            bytes += data_bytes(change);
            if (bytes >= limits::archive_bytes)
                throw Error(ErrorKind::unsupported,
                            fmt::format("pack: {}: with it the layer holds {} or more", printable(change.path.bytes()),
                                        human_size(limits::archive_bytes)));
        }
        if (delta_.changes().size() > limits::archive_entries)
            throw Error(ErrorKind::unsupported,
                        fmt::format("pack: a layer of more than {} entries", limits::archive_entries));
    }

    bool ends_here(const ImagePath& path) const {
        return (Sha256::of(path.bytes()).bytes().back() & rules_.boundary_mask) == 0;
    }

    std::uint64_t data_bytes(const Change& change) const {
        return has_data(targets_, delta_, change) ? change.entry.size + tar_padding(change.entry.size) : 0;
    }

    // Whatever a chunk's bytes depend on is part of its key.
    KeyHasher begin_key() const {
        return std::move(KeyHasher("chunk")
                             .add("compression", name_of(options_.compression))
                             .add("level", static_cast<std::uint64_t>(options_.level))
                             .add("compressor", compressor_));
    }

    Digest key_of(std::size_t begin, const Headers& headers) const {
        KeyHasher key = begin_key();
        for (std::size_t i = 0; i < headers.size(); ++i) {
            const Change& change = delta_.changes()[begin + i];
            key.add("header", headers[i]);
            if (has_data(targets_, delta_, change)) key.add("content", change.entry.content);
        }
        return key.finish();
    }

    Digest key_of_piece(const Change& change, std::string_view header, std::uint64_t index) const {
        return begin_key()
            .add("header", index == 0 ? header : "")
            .add("content", change.entry.content)
            .add("piece", index)
            .finish();
    }

    Chunk compress(std::optional<Digest> key, std::string tar) const {
        std::string packed = compress_chunk(tar, options_.compression, options_.level);
        const std::uint64_t sum = key ? accident_sum(packed) : 0;
        return {key, sum, std::move(tar), std::move(packed)};
    }

    // The chunk of an earlier layer; its tar comes out of it, so that no file of it is opened.
    std::optional<Chunk> find_earlier(const Digest& key) const {
        auto found = earlier_->find(key);
        if (!found) return std::nullopt;
        try {
            std::string tar = decompress_chunk(found->packed, options_.compression, found->chunk.tar_size);
            return Chunk{key, found->chunk.sum, std::move(tar), std::move(found->packed)};
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::corrupt) throw;
            return std::nullopt;
        }
    }

    template <class Job>
    void submit(Job job) {
        while (running_.size() >= 2 * pool_.threads() + 2) finish_one();
        running_.push_back(pool_.submit(std::move(job)));
    }

    void submit_entries(std::size_t begin, Headers headers) {
        submit([this, begin, headers = std::move(headers)] {
            if (!earlier_) return compress(std::nullopt, read_entries(begin, headers));
            const Digest key = key_of(begin, headers);
            auto chunk = find_earlier(key);
            return chunk ? *std::move(chunk) : compress(key, read_entries(begin, headers));
        });
    }

    std::string read_entries(std::size_t begin, const Headers& headers) const {
        std::string tar;
        std::uint64_t whole = 0;
        for (std::size_t i = 0; i < headers.size(); ++i)
            whole += headers[i].size() + data_bytes(delta_.changes()[begin + i]);
        tar.reserve(static_cast<std::size_t>(whole));
        StreamBlock block;
        for (std::size_t i = 0; i < headers.size(); ++i) {
            const Change& change = delta_.changes()[begin + i];
            tar += headers[i];
            if (has_data(targets_, delta_, change)) append_data(tar, change, block.bytes());
        }
        return tar;
    }

    void append_data(std::string& tar, const Change& change, std::span<std::byte> block) const {
        const auto reader = open(change);
        std::uint64_t total = 0;
        while (const std::size_t count = reader->read(block)) {
            tar += as_text(block.first(count));
            total += count;
            if (total > change.entry.size) break;
        }
        check_size(change, total);
        tar.append(tar_padding(total), '\0');
    }

    // A file larger than a chunk has chunks of its own, cut at multiples of the chunk's size.
    void submit_large(const Change& change, std::string header) {
        if (!earlier_) return stream_large(change, std::move(header), {});
        std::vector<Digest> keys((change.entry.size + rules_.large - 1) / rules_.large);
        for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = key_of_piece(change, header, i);
        const bool is_known = std::ranges::all_of(keys, [&](const Digest& key) { return earlier_->has(key); });
        if (!is_known) return stream_large(change, std::move(header), keys);
        for (std::size_t i = 0; i < keys.size(); ++i)
            submit([this, &change, header, i, key = keys[i]] {
                auto chunk = find_earlier(key);
                return chunk ? *std::move(chunk) : compress(key, read_piece(change, header, i));
            });
    }

    // Read here, in order.
    void stream_large(const Change& change, std::string tar, const std::vector<Digest>& keys) {
        auto reader = open(change);
        std::vector<std::byte> buffer(stream_block);
        std::uint64_t total = 0;
        std::uint64_t in_piece = 0;
        auto submit_piece = [&] {
            const std::uint64_t index = (total - 1) / rules_.large;
            const std::optional<Digest> key = keys.empty() ? std::nullopt : std::optional(keys.at(index));
            submit([this, key, tar = std::exchange(tar, {})]() mutable { return compress(key, std::move(tar)); });
            in_piece = 0;
        };
        for (;;) {
            std::size_t room =
                static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), rules_.large - in_piece));
            std::size_t count = reader->read(std::span(buffer).first(room));
            if (count == 0) break;
            tar.append(as_text(std::span(buffer).first(count)));
            total += count;
            in_piece += count;
            if (total > change.entry.size) break;
            if (in_piece == rules_.large) submit_piece();
        }
        check_size(change, total);
        tar.append(tar_padding(total), '\0');
        if (!tar.empty()) submit_piece();
    }

    // One piece of a large file, where the earlier layer that held it is gone meanwhile. Reads the file to its end,
    // which alone shows that it is what it was.
    std::string read_piece(const Change& change, const std::string& header, std::uint64_t index) const {
        std::string tar = index == 0 ? header : "";
        const std::uint64_t begin = index * rules_.large;
        const std::uint64_t end = std::min(begin + rules_.large, change.entry.size);
        auto reader = open(change);
        StreamBlock block;
        std::uint64_t at = 0;
        while (std::size_t count = reader->read(block.bytes())) {
            const std::uint64_t first = std::clamp(begin, at, at + count);
            const std::uint64_t last = std::clamp(end, at, at + count);
            tar.append(as_text(block.bytes().subspan(first - at, last - first)));
            at += count;
        }
        check_size(change, at);
        if (end == change.entry.size) tar.append(tar_padding(end), '\0');
        return tar;
    }

    std::unique_ptr<ByteReader> open(const Change& change) const {
        return contents_.require(change.entry.content, change.entry.size, change.path.bytes());
    }

    static void check_size(const Change& change, std::uint64_t found) {
        if (found != change.entry.size)
            throw Error(ErrorKind::invalid_input,
                        fmt::format("pack: {}: {} bytes instead of {}", printable(change.path.bytes()), found,
                                    change.entry.size));
    }

    void finish_one() {
        std::future<Chunk> job = std::move(running_.front());
        running_.pop_front();
        Chunk chunk = job.get();
        tar_hash_.update(chunk.tar);
        packed_.tar_size += chunk.tar.size();
        if (chunk.key)
            packed_.chunks.push_back({*chunk.key, chunk.sum, written_, chunk.packed.size(), chunk.tar.size()});
        written_ += chunk.packed.size();
        out_.write(as_bytes(chunk.packed));
    }

    const TreeDelta& delta_;
    ContentSources& contents_;
    PackOptions options_;
    ChunkRules rules_;
    std::string compressor_;
    TaskPool& pool_;
    ChunkSource* earlier_;
    LinkTargets targets_;
    std::deque<std::future<Chunk>> running_;
    Sha256 tar_hash_;
    PackedLayer packed_;
    std::uint64_t written_ = 0;  // bytes of the blob
    ByteWriter& out_;
};

}  // namespace

PackedLayer pack_layer(const TreeDelta& delta, ContentSources& contents, const PackOptions& options, TaskPool& pool,
                       ByteWriter& out, ChunkSource* earlier) {
    return Packer(delta, contents, options, pool, out, earlier).pack();
}

}  // namespace imgbuild::layerstore
