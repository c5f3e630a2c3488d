// SPDX-License-Identifier: Apache-2.0
// imgbuild-unpack: a foreign archive from standard input, the strict tar to standard output, the status to
// descriptor 3 (docs/formats/helpers.md). Both outputs are pipes: the process may not write files.

#include <unistd.h>

#include "base/helper_status.h"
#include "base/json.h"
#include "base/stream.h"
#include "unpack/confine.h"
#include "unpack/unpack.h"

namespace {

imgbuild::Json not_an_archive() {
    using namespace imgbuild;
    Json status = failure_status(Error(ErrorKind::invalid_input, "archive: not a tar, plain or compressed"));
    status["notAnArchive"] = true;
    return status;
}

}  // namespace

int main() {
    using namespace imgbuild;
    return run_helper([] {
        if (!unpack::is_sanitized) unpack::confine();
        FdReader archive(STDIN_FILENO, "the archive");
        FdWriter tar(STDOUT_FILENO, "the unpacked archive");
        auto unpacked = unpack::unpack_archive(archive, tar);
        if (!unpacked) return not_an_archive();
        Json status;
        status["entries"] = unpacked->entries;
        status["size"] = unpacked->bytes;
        return status;
    });
}
