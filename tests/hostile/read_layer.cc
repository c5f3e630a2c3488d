// SPDX-License-Identifier: Apache-2.0
// Reads one layer as an image's layer is read: exit 0 when it was taken, 1 with the reason when it was refused.
#include <fcntl.h>

#include <cstdio>

#include "base/compression.h"
#include "base/error.h"
#include "layerstore/layer/layer_codec.h"

int main(int argument_count, char** arguments) {
    using namespace imgbuild;
    if (argument_count != 2) {
        std::fputs("usage: read_layer FILE\n", stderr);
        return 2;
    }
    try {
        Fd file(::open(arguments[1], O_RDONLY | O_CLOEXEC));
        if (!file) throw_errno("open", arguments[1]);
        FdReader blob(file.get(), arguments[1]);
        auto tar = make_detecting_decompressor(blob, "layer");
        layerstore::read_layer(*tar, layerstore::Tree(), "layer");
        return 0;
    } catch (const Error& error) {
        std::printf("%s\n", error.what());
        return 1;
    }
}
