// SPDX-License-Identifier: Apache-2.0
#include "builder/sandbox/intercept/part_links.h"

#include <stdio.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/error.h"
#include "layerstore/snapshot/upper_entry.h"

namespace imgbuild::builder {

void make_own_file(const std::string& path, const struct stat& status) {
    const ImagePath name = ImagePath::clean(path);
    const Directory folder = Directory::open_host(name.parent().absolute());
    const ImagePath copy = name.parent().child(".imgbuild-" + random_name());
    layerstore::copy_object(folder.fd(), name, folder.fd(), copy, status, layerstore::OverlaySpelling::plain);
    if (::renameat(folder.fd(), std::string(copy.name()).c_str(), folder.fd(), std::string(name.name()).c_str()) < 0)
        throw_errno("copy", path);
}

}  // namespace imgbuild::builder
