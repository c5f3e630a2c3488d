// SPDX-License-Identifier: Apache-2.0
#define OPENSSL_SUPPRESS_DEPRECATED  // as digest.cc, which may be compiled together with this
#include "base/base64.h"

#include <openssl/evp.h>

namespace imgbuild {

std::string encode_base64(std::string_view bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // EVP_EncodeBlock ends it by a NUL
    const int size =
        ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                          reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
    std::string padded(text);
    padded.append((4 - text.size() % 4) % 4, '=');
    std::string out(padded.size() / 4 * 3, '\0');
    const int size =
        ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                          reinterpret_cast<const unsigned char*>(padded.data()), static_cast<int>(padded.size()));
    if (size < 0) return std::nullopt;
    const std::size_t padding = padded.ends_with("==") ? 2 : padded.ends_with('=') ? 1 : 0;
    out.resize(static_cast<std::size_t>(size) - padding);
    // OpenSSL passes over blanks and takes padding anywhere: only what would be written is read.
    if (encode_base64(out) != padded) return std::nullopt;
    return out;
}

}  // namespace imgbuild
