// SPDX-License-Identifier: Apache-2.0
#include "builder/exchange/cache_records.h"

#include <fmt/format.h>

#include <chrono>

#include "base/base64.h"
#include "base/compression.h"
#include "base/error.h"
#include "base/stream.h"
#include "base/wire.h"
#include "builder/cache/step_key.h"

namespace imgbuild::builder {
namespace {

using layerstore::Descriptor;
using layerstore::MemoKind;

constexpr std::string_view steps_magic = "imgbuild cache steps 1\n";
constexpr std::string_view base_magic = "imgbuild cache base 1\n";
constexpr std::string_view inline_magic = "imgbuild cache inline 1\n";

std::string pack(std::string_view magic, const WireWriter& body) {
    std::string whole(magic);
    whole += body.bytes();
    return compress_chunk(whole, Compression::zstd, default_level(Compression::zstd));
}

// The bytes behind the magic.
std::string unpack(std::string_view blob, std::string_view magic, const std::string& what) {
    MemoryReader packed(blob);
    const auto reader = make_decompressor(packed, Compression::zstd, what, {.max_output = max_record_bytes});
    std::string whole = read_all(*reader, max_record_bytes, what);
    if (!whole.starts_with(magic))
        throw Error(ErrorKind::invalid_input, fmt::format("{}: no records that this version reads", what));
    return whole.substr(magic.size());
}

template <class Read>
auto read_records(std::string_view blob, std::string_view magic, const std::string& what, Read read) {
    const std::string body = unpack(blob, magic, what);
    try {
        WireReader reader(body, what);
        auto value = read(reader);
        reader.expect_end();
        return value;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt) throw;
        throw Error(ErrorKind::invalid_input, error.message());
    }
}

void write_files(WireWriter& out, const std::vector<std::string>& files) {
    out.varint(files.size());
    for (const std::string& file : files) out.text(file);
}

std::vector<std::string> read_files(WireReader& in) {
    std::vector<std::string> files(in.count(1));
    for (std::string& file : files) file = in.text();
    return files;
}

void write_step(WireWriter& out, const StepRecord& step) {
    out.byte(static_cast<std::uint8_t>(step.kind)).digest(step.key).signed_varint(step.used);
    out.text(step.preimage).text(step.delta);
    write_files(out, step.files);
    out.varint(step.layers.size());
    for (const CachedLayer& layer : step.layers) {
        out.text(layer.blob.media_type).digest(layer.blob.digest).varint(layer.blob.size);
        out.digest(layer.diff_id.value).digest(layer.pack_key);
    }
}

StepRecord read_step(WireReader& in) {
    StepRecord step;
    step.kind = static_cast<MemoKind>(in.byte());
    step.key = in.digest();
    step.used = in.signed_varint();
    step.preimage = in.text();
    step.delta = in.text();
    step.files = read_files(in);
    step.layers.resize(in.count(3 * Digest::size));
    for (CachedLayer& layer : step.layers) {
        layer.blob.media_type = in.text();
        layer.blob.digest = in.digest();
        layer.blob.size = in.varint();
        layer.diff_id = {in.digest()};
        layer.pack_key = in.digest();
    }
    return step;
}

void write_steps(WireWriter& out, const StepRecords& steps) {
    out.varint(steps.size());
    for (const auto& [name, step] : steps) write_step(out, step);
}

StepRecords read_steps(WireReader& in) {
    StepRecords steps;
    for (std::size_t left = in.count(Digest::size); left > 0; --left) {
        StepRecord step = read_step(in);
        const StepName name{step.kind, step.key};
        // What was written in order costs no search.
        steps.emplace_hint(steps.end(), name, std::move(step));
    }
    return steps;
}

void write_base(WireWriter& out, const BaseRecord& base) {
    out.digest(base.manifest).digest(base.root.value).varint(base.layers.size());
    for (const BaseRecord::Layer& layer : base.layers)
        out.digest(layer.blob).digest(layer.diff_id.value).text(layer.delta);
    write_files(out, base.files);
}

BaseRecord read_base(WireReader& in) {
    BaseRecord base;
    base.manifest = in.digest();
    base.root = {in.digest()};
    base.layers.resize(in.count(2 * Digest::size));
    for (BaseRecord::Layer& layer : base.layers) {
        layer.blob = in.digest();
        layer.diff_id = {in.digest()};
        layer.delta = in.text();
    }
    base.files = read_files(in);
    return base;
}

}  // namespace

std::int64_t microseconds_now() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::string encode_steps(const StepRecords& steps) {
    WireWriter out;
    write_steps(out, steps);
    return pack(steps_magic, out);
}

StepRecords decode_steps(std::string_view blob, const std::string& what) {
    return read_records(blob, steps_magic, what, read_steps);
}

std::string encode_base(const BaseRecord& base) {
    WireWriter out;
    write_base(out, base);
    return pack(base_magic, out);
}

BaseRecord decode_base(std::string_view blob, const std::string& what) {
    return read_records(blob, base_magic, what, read_base);
}

std::string encode_inline(const InlineCache& cache) {
    WireWriter out;
    write_steps(out, cache.steps);
    out.varint(cache.bases.size());
    for (const BaseRecord& base : cache.bases) write_base(out, base);
    return encode_base64(pack(inline_magic, out));
}

InlineCache decode_inline(std::string_view text, const std::string& what) {
    const std::optional<std::string> blob = decode_base64(text);
    if (!blob) throw Error(ErrorKind::invalid_input, fmt::format("{}: no base64", what));
    return read_records(*blob, inline_magic, what, [](WireReader& in) {
        InlineCache cache;
        cache.steps = read_steps(in);
        cache.bases.resize(in.count(2 * Digest::size));
        for (BaseRecord& base : cache.bases) base = read_base(in);
        return cache;
    });
}

std::string shareable_preimage(std::string_view preimage) {
    constexpr std::size_t hash_digits = 16;
    WireWriter out;
    for (const auto& [label, value] : StepKey::read_preimage(preimage)) {
        const std::size_t equals = value.find('=');
        if (label == "environment" && equals != std::string::npos)
            out.text(label).text(value.substr(0, equals + 1) + Sha256::of(value).hex().substr(0, hash_digits));
        else
            out.text(label).text(value);
    }
    return out.take();
}

}  // namespace imgbuild::builder
