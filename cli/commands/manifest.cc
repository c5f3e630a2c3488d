// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/commands.h"
#include "cli/common/common_options.h"
#include "cli/common/error_report.h"
#include "cli/common/terminal.h"

namespace imgbuild::cli {

int run_manifest(Arguments arguments) {
    const auto opened = open_image(
        "manifest", "Prints the bytes of an image's manifest as they are; of an index, without --platform, its own",
        arguments);
    if (!opened) return exit_status::ok;
    print(opened->platform ? opened->read().manifest_bytes
                           : opened->store->blobs().read(opened->image.descriptor.digest,
                                                         layerstore::max_manifest_bytes, opened->name));
    return exit_status::ok;
}

}  // namespace imgbuild::cli
