// SPDX-License-Identifier: Apache-2.0
#include "builder/remote/unpacked_archive.h"

#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "builder/fetch/unpack.h"
#include "builder/remote/spooled_tar.h"
#include "layerstore/layer/layer_codec.h"
#include "layerstore/layer/tar_writer.h"

namespace imgbuild::builder {
namespace {

using layerstore::TreeDelta;

TreeDelta read_tar(const Fd& tar, const std::string& name) {
    rewind_file(tar, name);
    FdReader reader(tar.get(), "tar");
    TreeDelta delta = layerstore::read_layer(reader, layerstore::Tree(), "tar");
    for (const layerstore::Change& change : delta.changes())
        if (change.kind != layerstore::ChangeKind::put)
            throw Error(ErrorKind::invalid_input,
                        printable(change.path.absolute()) +
                            ": is the mark of a deletion in a layer, which no file of an image can be called");
    return delta;
}

// An archive that must not get into an image is what somebody named, and not trouble of ours.
std::optional<TreeDelta> unpack_into(Fd archive, const Fd& tar, const std::string& name, const char* hint) {
    try {
        FdWriter writer(tar.get(), name);
        if (!unpack_archive(std::move(archive), [&](ByteReader& reader) { copy_all(reader, writer); }))
            return std::nullopt;
        return read_tar(tar, name);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid_input) throw;
        throw Error(ErrorKind::usage, printable(name) + ": " + error.full_message(), hint);
    }
}

}  // namespace

void rewind_file(const Fd& file, const std::string& name) {
    if (::lseek(file.get(), 0, SEEK_SET) < 0) throw_errno("read", name);
}

std::optional<UnpackedArchive> read_archive(Fd archive, const Directory& scratch, const std::string& name,
                                            const char* hint) {
    auto tar = std::make_shared<const Fd>(make_unnamed_file(scratch));
    std::optional<TreeDelta> delta = unpack_into(std::move(archive), *tar, name, hint);
    if (!delta) return std::nullopt;
    auto contents = std::make_shared<SpooledTar>(
        [tar, name](const auto& consume) {
            rewind_file(*tar, name);
            FdReader reader(tar->get(), name);
            consume(reader);
        },
        scratch, name);
    return UnpackedArchive{std::move(*delta), std::move(contents)};
}

std::optional<Fd> copy_if_archive(ByteReader& reader, const Directory& scratch, const std::string& name) {
    std::string first = read_ahead(reader, layerstore::tar_block);
    if (!looks_like_archive(first)) return std::nullopt;
    Fd copy = make_unnamed_file(scratch);
    FdWriter writer(copy.get(), name);
    PrefixedReader whole(std::move(first), reader);
    copy_all(whole, writer);
    rewind_file(copy, name);
    return copy;
}

}  // namespace imgbuild::builder
