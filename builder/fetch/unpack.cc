// SPDX-License-Identifier: Apache-2.0
#include "builder/fetch/unpack.h"

#include <algorithm>

#include "base/compression.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "builder/fetch/helper_program.h"
#include "layerstore/layer/tar_writer.h"

namespace imgbuild::builder {
namespace {

constexpr std::size_t checksum_begin = 148;
constexpr std::size_t checksum_end = 156;

// The sum of the bytes, the field itself as blanks; writers of old summed signed bytes.
bool is_tar_header(std::string_view block) noexcept {
    if (block.size() < layerstore::tar_block) return false;
    std::int64_t plain = 0;
    std::int64_t with_sign = 0;
    for (std::size_t i = 0; i < layerstore::tar_block; ++i) {
        char c = i >= checksum_begin && i < checksum_end ? ' ' : block[i];
        plain += static_cast<unsigned char>(c);
        with_sign += static_cast<signed char>(c);
    }
    std::int64_t sum = 0;
    std::string_view field = block.substr(checksum_begin, checksum_end - checksum_begin);
    field.remove_prefix(std::min(field.find_first_not_of(' '), field.size()));
    for (char c : field) {
        if (c < '0' || c > '7') break;
        sum = sum * 8 + (c - '0');
    }
    return sum == plain || sum == with_sign;
}

}  // namespace

bool looks_like_archive(std::string_view first_bytes) noexcept {
    return detect_compression(first_bytes) != Compression::none || first_bytes.starts_with("BZh") ||
           first_bytes.starts_with(std::string_view("\xfd\x37zXZ\0", 6)) || is_tar_header(first_bytes);
}

bool unpack_archive(Fd archive, const std::function<void(ByteReader&)>& consume) {
    HelperProgram helper("imgbuild-unpack", std::move(archive));
    std::string first;
    try {
        first = read_ahead(helper, layerstore::tar_block);
    } catch (const Error&) {
        if (helper.says("notAnArchive")) return false;
        throw;
    }
    PrefixedReader tar(std::move(first), helper);
    consume(tar);
    // What stands behind the end of the archive, which is nothing but the helper's word that all went well.
    drain(tar);
    return true;
}

}  // namespace imgbuild::builder
